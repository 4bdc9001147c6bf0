// Parameter tables that hold weights: objects without the weights, and views of the weights.
#ifndef QUANTPRESS_GRAPH_IMPORT_MNN_UNPACK_PARAMETERS_H_
#define QUANTPRESS_GRAPH_IMPORT_MNN_UNPACK_PARAMETERS_H_

#include <initializer_list>
#include <string>
#include <vector>

#include "graph/import/mnn/external_file.h"
#include "graph/ir/model.h"

namespace quantpress::graph {

struct UnpackContext {
  std::string op;  // for messages
  const Bytes& file;
  ExternalFile* external;
  std::vector<Bulk>* bulk;
  uint32_t member = 0;  // FusedLinear
};

Status UnpackConvolution(const mnn::Convolution2D& in, const UnpackContext& context, mnn::Convolution2DT* out);
Status UnpackConvolution3D(const mnn::Convolution3D& in, const UnpackContext& context, mnn::Convolution3DT* out);
Status UnpackInnerProduct(const mnn::InnerProduct& in, const UnpackContext& context, mnn::InnerProductT* out);
Status UnpackFusedLinear(const mnn::FusedLinearParam& in, const UnpackContext& context, mnn::FusedLinearParamT* out);
// Also checks that the data is as long as the dimensions say, which the runtime relies on.
Status UnpackBlob(const mnn::Blob& in, const UnpackContext& context, mnn::BlobT* out);

// Small float vectors that may lie in the external file: reads them and clears `external`.
Status FillFloats(const UnpackContext& context, std::vector<int64_t>* external,
                  std::initializer_list<std::vector<float>*> fields);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_IMPORT_MNN_UNPACK_PARAMETERS_H_
