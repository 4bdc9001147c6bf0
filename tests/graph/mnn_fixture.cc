#include "tests/graph/mnn_fixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "kernels/half.h"

namespace quantpress::graph::testing {

namespace fs = std::filesystem;

TempFolder::TempFolder() {
  std::string pattern = (fs::temp_directory_path() / "quantpress-test-XXXXXX").string();
  path_ = mkdtemp(pattern.data());
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::vector<std::string> TempFolder::List() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path_)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::vector<float> RandomWeights(size_t count, uint32_t seed) {
  std::mt19937 engine(seed);
  std::vector<float> values(count);
  // Not std::normal_distribution, whose values differ between libraries.
  for (float& v : values) {
    float sum = 0;
    for (int i = 0; i < 4; ++i) sum += static_cast<float>(engine() >> 8) * 0x1p-24f - 0.5f;
    v = sum * 0.1f;
  }
  return values;
}

size_t ConvShape::elements() const {
  const bool depthwise =
      type == mnn::OpType::ConvolutionDepthwise || type == mnn::OpType::DeconvolutionDepthwise;
  const int channels = depthwise ? 1 : inputs / group;
  return static_cast<size_t>(outputs * channels * kernel * kernel);
}

NetBuilder::NetBuilder() {
  mnn::OpT& op = AddOp("input", mnn::OpType::Input, false);
  mnn::InputT input;
  input.dims = {1, 4, 8, 8};
  input.dformat = mnn::MNN_DATA_FORMAT::NCHW;
  op.main.Set(std::move(input));
  net_.sourceType = mnn::NetSource::ONNX;
}

mnn::OpT& NetBuilder::AddOp(const std::string& name, mnn::OpType type, bool with_input) {
  auto op = std::make_unique<mnn::OpT>();
  op->name = name;
  op->type = type;
  const int index = static_cast<int>(net_.tensorName.size());
  if (with_input) op->inputIndexes = {index - 1};
  op->outputIndexes = {index};
  net_.tensorName.push_back(name);
  net_.outputName = {name};
  net_.oplists.push_back(std::move(op));
  return *net_.oplists.back();
}

mnn::Convolution2DT& NetBuilder::AddConvolution(const std::string& name, const ConvShape& shape, std::vector<float> weights) {
  mnn::Convolution2DT conv;
  conv.common = std::make_unique<mnn::Convolution2DCommonT>();
  conv.common->outputCount = shape.outputs;
  conv.common->inputCount = shape.inputs;
  conv.common->kernelX = conv.common->kernelY = shape.kernel;
  conv.common->group = shape.group;
  conv.bias = RandomWeights(static_cast<size_t>(shape.outputs), 99);
  conv.weight = std::move(weights);
  mnn::OpT& op = AddOp(name, shape.type);
  op.main.Set(std::move(conv));
  return *op.main.AsConvolution2D();
}

mnn::BlobT& NetBuilder::AddConstant(const std::string& name, std::vector<int> dims, std::vector<float> values) {
  mnn::BlobT blob;
  blob.dims = std::move(dims);
  blob.float32s = std::move(values);
  mnn::OpT& op = AddOp(name, mnn::OpType::Const, false);
  op.main.Set(std::move(blob));
  return *op.main.AsBlob();
}

std::string NetBuilder::Bytes() const {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(mnn::CreateNet(builder, &net_));
  return {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()};
}

std::unique_ptr<mnn::NetT> ReadNet(const std::string& path) {
  const std::string bytes = ReadFile(path);
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  EXPECT_TRUE(mnn::VerifyNetBuffer(verifier)) << path;
  return mnn::UnPackNet(bytes.data());
}

const mnn::OpT& FindOp(const mnn::NetT& net, const std::string& name) {
  for (const auto& op : net.oplists) {
    if (op->name == name) return *op;
  }
  ADD_FAILURE() << "no op " << name;
  return *net.oplists.front();
}

const mnn::Convolution2DT& FindConvolution(const mnn::NetT& net, const std::string& name) {
  static const mnn::Convolution2DT none;
  const mnn::Convolution2DT* conv = FindOp(net, name).main.AsConvolution2D();
  EXPECT_NE(conv, nullptr);
  return conv != nullptr ? *conv : none;
}

std::vector<float> DecodeTableCoded(const mnn::IDSTQuanT& quan) {
  const auto* data = reinterpret_cast<const uint8_t*>(quan.buffer.data());
  size_t at = 0;
  const int dims = data[at++];
  size_t count = 1;
  for (int i = 0; i < dims; ++i) {
    size_t dim = 0;
    for (int b = 0; b < (quan.shapeInt32 ? 4 : 2); ++b) dim |= static_cast<size_t>(data[at++]) << (8 * b);
    count *= dim;
  }
  const size_t table_size = data[at] == 0 ? 256 : data[at];
  ++at;
  const auto* table = reinterpret_cast<const int8_t*>(data + at);
  at += table_size;
  size_t bits = 1;
  while ((size_t{1} << bits) < table_size) ++bits;
  EXPECT_EQ(quan.buffer.size(), at + (count * bits + 7) / 8);

  std::vector<float> alpha = quan.alpha;
  if (quan.scaleStorage == mnn::ScaleStorageType::FP16) {
    for (const uint16_t half : quan.alphaFp16) alpha.push_back(kernels::FloatFromHalf(half));
  }
  const bool asymmetric = quan.readType != 0;
  const size_t groups = alpha.size() / (asymmetric ? 2 : 1);
  EXPECT_EQ(count % groups, 0u);
  const size_t group_size = count / groups;
  std::vector<float> weights(count);
  for (size_t i = 0; i < count; ++i) {
    size_t index = 0;
    for (size_t b = i * bits; b < (i + 1) * bits; ++b) index = index << 1 | ((data[at + b / 8] >> (7 - b % 8)) & 1u);
    const float q = static_cast<float>(table[index]);
    const size_t g = i / group_size;
    if (asymmetric) {
      const float min = alpha[2 * g] * quan.quantScale, scale = alpha[2 * g + 1] * quan.quantScale;
      const float base = min - static_cast<float>(quan.aMin) * scale;
      weights[i] = q * scale + base;
    } else {
      weights[i] = q * (alpha[g] * quan.quantScale);
    }
  }
  return weights;
}

ConvertOptions Options(const std::string& source, const std::string& output) {
  ConvertOptions options;
  options.import.model_path = source;
  options.output.output_path = output;
  options.budget.threads = 2;
  return options;
}

}  // namespace quantpress::graph::testing
