// Weights that a source model already stores quantized or sparse (mnn::IDSTQuan types 0, 1, 2, 4).
#ifndef QUANTPRESS_GRAPH_IMPORT_MNN_CODED_WEIGHT_H_
#define QUANTPRESS_GRAPH_IMPORT_MNN_CODED_WEIGHT_H_

#include <cstdint>
#include <vector>

#include "graph/ir/model.h"

namespace quantpress::graph {

// What the header of a coded weight says. Views into the op's bulk data.
struct CodedWeight {
  int type = 0;             // 0 float-sparse, 1 table-coded, 2 sparse table-coded, 4 raw int8
  uint64_t elements = 0;
  uint64_t rows = 0;        // first dimension of the header; 0 where there is no header
  int bits = 8;             // index width
  std::vector<int8_t> table;  // codes that indexes stand for, 2^bits entries; empty: the full range in order
  Bytes payload;            // what follows the header and table: packed indexes, codes, or the sparse steps
  Bytes alpha;              // float32 or half entries
  bool half_alpha = false;
  bool asymmetric = false;
  int min_code = 0;         // the code that decodes to the stored minimum
  float quant_scale = 1.0f;  // factor on every alpha entry
  uint64_t groups = 0;      // scales
  // Type 2: number of listed elements, step width; the table lies behind the steps and is already in `table`.
  uint64_t listed = 0;
  int step_bits = 0;
  Bytes values;             // type 2: packed indexes; type 0: positions (uint32)
};

// Reads the header. Errors: truncated or contradictory data (they name the layer).
StatusOr<CodedWeight> ParseCodedWeight(const Op& op);

// The weights as the runtime would decode them. Errors as above.
StatusOr<TensorSourcePtr> DecodeWeight(const Op& op);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_IMPORT_MNN_CODED_WEIGHT_H_
