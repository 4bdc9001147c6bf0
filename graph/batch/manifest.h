// Lists of models to convert: a JSON or CSV file, or a folder.
#ifndef QUANTPRESS_GRAPH_BATCH_MANIFEST_H_
#define QUANTPRESS_GRAPH_BATCH_MANIFEST_H_

#include <string>
#include <string_view>
#include <vector>

#include "dispatch/status.h"

namespace quantpress::graph {

struct ManifestRow {
  std::string source;                // as it is written
  std::string output;                // empty: not given
  std::vector<std::string> options;  // words of a command line: "--weightQuantBits=4"
  std::string where;                 // "models.json:3: [2]", for messages
};

// A name that ends in .json: an array of objects {"source": ..., "output": ..., "options": ...}, of which only the source is
// required. Options are an object of names and values ({"weightQuantBits": 4, "hqq": true, "rule": ["a=skip", "b=bits:8"]}), or words
// of a command line, as an array or as one text.
// A name that ends in .csv: a heading with the columns source, output and options (a text) in any order; fields may be quoted (RFC 4180).
// Options are not looked at. Errors name file, line and field.
StatusOr<std::vector<ManifestRow>> ParseManifest(std::string_view text, const std::string& path);
StatusOr<std::vector<ManifestRow>> ReadManifest(const std::string& path);

// Every .onnx and .mnn file below `folder`, sorted; hidden files and folders are left out. Sources are paths that can be opened, outputs
// are relative to the folder and end in .mnn.
StatusOr<std::vector<ManifestRow>> ListFolder(const std::string& folder);

// Splits a text as a shell does: at blanks, with '...', "..." and \ keeping them. Errors: a quote that is not closed.
StatusOr<std::vector<std::string>> SplitWords(std::string_view text);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_BATCH_MANIFEST_H_
