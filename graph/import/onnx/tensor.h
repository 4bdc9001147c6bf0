// TensorProto to constants: inline, typed fields, external files, sparse.
#ifndef QUANTPRESS_GRAPH_IMPORT_ONNX_TENSOR_H_
#define QUANTPRESS_GRAPH_IMPORT_ONNX_TENSOR_H_

#include <map>
#include <string>

#include "graph/build/value.h"
#include "graph/import/onnx/model_view.h"

namespace quantpress::graph::onnx {

// Element type of TensorProto.DataType; kUnknown for types that no runtime value can stand for.
ElementType FromOnnxType(int data_type);
// "float16", "complex64", ...: also for types that FromOnnxType does not know.
std::string OnnxTypeName(int data_type);

// Maps external weight files of one model, each once.
class ExternalFiles {
 public:
  explicit ExternalFiles(std::string model_path);
  // `location` is relative to the model's folder and must stay inside it, symbolic links included.
  StatusOr<Bytes> Open(std::string_view location);
  // Of the files that were opened, in the order of their locations.
  std::vector<std::string> paths() const;

 private:
  std::string folder_;
  struct File {
    std::string path;
    Bytes bytes;
  };
  std::map<std::string, File, std::less<>> open_;
};

// A constant that reads from `file` (the mapping that the views point into) or from an external file.
StatusOr<Constant> ToConstant(const TensorView& tensor, const Bytes& file, ExternalFiles* external);
StatusOr<Constant> ToConstant(const SparseTensorView& tensor, const Bytes& file, ExternalFiles* external);

}  // namespace quantpress::graph::onnx

#endif  // QUANTPRESS_GRAPH_IMPORT_ONNX_TENSOR_H_
