// Tables as comma-separated values, RFC 4180.
#ifndef QUANTPRESS_GRAPH_BATCH_CSV_H_
#define QUANTPRESS_GRAPH_BATCH_CSV_H_

#include <string>
#include <string_view>
#include <vector>

#include "dispatch/status.h"

namespace quantpress::graph {

struct CsvRecord {
  int line = 0;  // where it starts, from 1
  std::vector<std::string> fields;
};

// Records end with a line feed, also after a carriage return; empty lines and a byte order mark are passed over. Errors name file and
// line: a quote that is not closed, text after a closing quote, a quote within a field that does not start with one.
StatusOr<std::vector<CsvRecord>> ParseCsv(std::string_view text, const std::string& path);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_BATCH_CSV_H_
