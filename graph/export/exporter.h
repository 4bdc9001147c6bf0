// Writes a model to disk: lay out, fill in parallel, verify, commit.
#ifndef QUANTPRESS_GRAPH_EXPORT_EXPORTER_H_
#define QUANTPRESS_GRAPH_EXPORT_EXPORTER_H_

#include <vector>

#include "graph/convert.h"
#include "graph/measured_layer.h"

namespace quantpress::graph {

// Writes `model` to options.output.output_path as `plan` says. The file is written under a temporary name in the same
// folder, synced and renamed; the external weight file, where there is one, is renamed first. Fills result->layers,
// output_bytes, external and notes, and *measured where it is not null.
Status ExportModel(Model model, const dispatch::Plan& plan, const ConvertOptions& options, const ConvertHooks& hooks,
                   ConvertResult* result, std::vector<MeasuredLayer>* measured = nullptr);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_EXPORT_EXPORTER_H_
