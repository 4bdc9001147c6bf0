// From the command line of `batch` and the rows of its manifest to conversions.
#ifndef QUANTPRESS_TOOLS_COMMANDS_BATCH_JOBS_H_
#define QUANTPRESS_TOOLS_COMMANDS_BATCH_JOBS_H_

#include <string>
#include <vector>

#include "graph/batch/manifest.h"
#include "graph/batch/run_batch.h"
#include "tools/options/parse.h"

namespace quantpress::tools {

struct BatchModel {
  graph::ManifestRow row;
  graph::BatchJob job;
  std::vector<std::string> warnings;
  Status status;  // not ok: the model cannot even be tried; the others run
};

struct BatchList {
  std::vector<BatchModel> models;
  std::string ledger;  // path without the shard
};

// All rows of the folder or manifest that the line names, with the options of the line as defaults. Errors: a manifest that is wrong, options
// that are not those of a conversion, two rows with one output, an output that is the source of another row, a recipe that several
// rows would have to make.
StatusOr<BatchList> MakeBatchList(const ParsedLine& line);

struct Shard {
  size_t index = 0;  // from 0
  size_t count = 1;
};
// "2/4": the second of four parts.
StatusOr<Shard> ParseShard(const std::string& text);

}  // namespace quantpress::tools

#endif  // QUANTPRESS_TOOLS_COMMANDS_BATCH_JOBS_H_
