// Which format a file has, from its content.
#include "graph/convert.h"
#include "graph/import/mnn/mnn_importer.h"
#include "graph/model_json/read.h"

namespace quantpress::graph {
namespace {

// Walks the top-level fields of a protobuf message.
class WireReader {
 public:
  WireReader(const uint8_t* data, uint64_t size) : at_(data), end_(data + size) {}

  // False at the end or where the bytes are no protobuf; `valid()` tells which.
  bool Next() {
    if (at_ == end_ || !valid_) return false;
    uint64_t key = 0;
    valid_ = Varint(&key) && key >> 3 != 0 && key >> 3 <= 0x1FFFFFFF;
    if (!valid_) return false;
    field_ = key >> 3;
    wire_ = static_cast<int>(key & 7);
    payload_ = nullptr;
    size_ = 0;
    uint64_t value = 0;
    switch (wire_) {
      case 0: return valid_ = Varint(&value);
      case 1: return valid_ = Skip(8);
      case 5: return valid_ = Skip(4);
      case 2:
        valid_ = Varint(&size_) && size_ <= static_cast<uint64_t>(end_ - at_);
        if (!valid_) return false;
        payload_ = at_;
        at_ += size_;
        return true;
      default: return valid_ = false;
    }
  }

  bool valid() const { return valid_; }
  uint64_t field() const { return field_; }
  bool is_message() const { return wire_ == 2; }
  WireReader Inner() const { return {payload_, size_}; }

 private:
  bool Varint(uint64_t* value) {
    *value = 0;
    for (int shift = 0; shift < 64 && at_ != end_; shift += 7) {
      const uint8_t byte = *at_++;
      *value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  bool Skip(int64_t n) {
    if (end_ - at_ < n) return false;
    at_ += n;
    return true;
  }

  const uint8_t* at_;
  const uint8_t* end_;
  bool valid_ = true;
  uint64_t field_ = 0;
  int wire_ = 0;
  const uint8_t* payload_ = nullptr;
  uint64_t size_ = 0;
};

// A TensorFlow NodeDef: name (1) and op (2).
bool LooksLikeNode(WireReader in) {
  bool name = false, op = false;
  while (in.Next()) {
    name |= in.field() == 1 && in.is_message();
    op |= in.field() == 2 && in.is_message();
  }
  return in.valid() && name && op;
}

SourceFormat DetectProtobuf(const Bytes& file) {
  constexpr uint64_t kOnnxGraph = 7, kCaffeLayer = 100;
  WireReader in(file.data, file.size);
  bool version = false, graph = false, caffe_layer = false, old_layer = false;
  int first = -1;  // first field 1 that is a message or string: 1 if it is a TensorFlow node
  while (in.Next()) {
    version |= in.field() == 1 && !in.is_message();
    graph |= in.field() == kOnnxGraph && in.is_message();
    caffe_layer |= in.field() == kCaffeLayer && in.is_message();
    old_layer |= in.field() == 2 && in.is_message();
    if (in.field() == 1 && in.is_message() && first < 0) first = LooksLikeNode(in.Inner()) ? 1 : 0;
  }
  if (!in.valid()) return SourceFormat::kAuto;
  if (graph && first < 0) return SourceFormat::kOnnx;
  if (version && first < 0) return SourceFormat::kOnnx;
  if (first == 1) return SourceFormat::kTensorFlow;
  if (caffe_layer || old_layer) return SourceFormat::kCaffe;
  return SourceFormat::kAuto;
}

}  // namespace

StatusOr<SourceFormat> DetectFormat(const std::string& path) {
  QP_ASSIGN_OR_RETURN(const Bytes file, MapFile(path));
  if (file.empty()) return InvalidInput("'{}' is empty; expected a model", path);
  if (file.size >= 8 && std::memcmp(file.data + 4, "TFL3", 4) == 0) return SourceFormat::kTfLite;
  if (LooksLikeMnn(file)) return SourceFormat::kMnn;
  if (LooksLikeJson(file)) return SourceFormat::kJson;
  const SourceFormat format = DetectProtobuf(file);
  if (format != SourceFormat::kAuto) return format;
  return InvalidInput("'{}' is no model in a format that is known (MNN, ONNX, TensorFlow, TFLite, Caffe, MNN as JSON), or it is damaged",
                      path);
}

std::string_view SourceFormatName(SourceFormat format) {
  switch (format) {
    case SourceFormat::kAuto: return "unknown";
    case SourceFormat::kMnn: return "MNN";
    case SourceFormat::kOnnx: return "ONNX";
    case SourceFormat::kTensorFlow: return "TensorFlow";
    case SourceFormat::kTfLite: return "TFLite";
    case SourceFormat::kCaffe: return "Caffe";
    case SourceFormat::kJson: return "JSON";
  }
  return "unknown";
}

}  // namespace quantpress::graph
