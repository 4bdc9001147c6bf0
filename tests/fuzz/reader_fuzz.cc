// Import and plan of arbitrary bytes as a model of the format FUZZ_FORMAT, and the first and last of its coded weights.
#include <algorithm>
#include <vector>

#include "graph/convert.h"
#include "graph/import/mnn/coded_weight.h"
#include "tests/fuzz/memory_file.h"

namespace quantpress::graph {
namespace {

void ReadCoded(const Graph& graph) {
  for (const Op& op : graph.ops) {
    const auto source = DecodeWeight(op);
    if (!source.ok()) continue;
    std::vector<float> weights(std::min<uint64_t>((*source)->count(), 5000));
    (*source)->ReadFloats(0, weights);
    (*source)->ReadFloats((*source)->count() - weights.size(), weights);
  }
}

void Read(const uint8_t* data, size_t size) {
  const quantpress::testing::MemoryFile file(data, size);
  ImportOptions options;
  options.format = SourceFormat::FUZZ_FORMAT;
  options.model_path = file.path();
  const auto model = ImportModel(options);
  if (!model.ok()) return;
  QuantizeOptions quantize;
  quantize.request.bits = 4;
  (void)PlanModel(*model, quantize);
  ReadCoded(model->main);
  for (const Graph& graph : model->subgraphs) ReadCoded(graph);
}

}  // namespace
}  // namespace quantpress::graph

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  quantpress::graph::Read(data, size);
  return 0;
}
