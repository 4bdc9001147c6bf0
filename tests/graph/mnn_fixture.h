// Small MNN models that tests make themselves, and a slow reader of what was written from them.
#ifndef QUANTPRESS_TESTS_GRAPH_MNN_FIXTURE_H_
#define QUANTPRESS_TESTS_GRAPH_MNN_FIXTURE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "graph/convert.h"
#include "graph/schema/mnn_generated.h"

namespace quantpress::graph::testing {

// A folder that is removed with all its files at the end.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  // Names of all entries, sorted.
  std::vector<std::string> List() const;

 private:
  std::string path_;
};

std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, const std::string& bytes);

// Values like trained weights; the same for the same seed.
std::vector<float> RandomWeights(size_t count, uint32_t seed);

struct ConvShape {
  mnn::OpType type = mnn::OpType::Convolution;
  int outputs = 8;
  int inputs = 4;
  int kernel = 1;
  int group = 1;
  size_t elements() const;
};

// A chain of ops behind one input; every op has the previous op's output as its input.
class NetBuilder {
 public:
  NetBuilder();
  mnn::OpT& AddOp(const std::string& name, mnn::OpType type, bool with_input = true);
  mnn::Convolution2DT& AddConvolution(const std::string& name, const ConvShape& shape, std::vector<float> weights);
  mnn::BlobT& AddConstant(const std::string& name, std::vector<int> dims, std::vector<float> values);
  mnn::NetT& net() { return net_; }
  std::string Bytes() const;
  void Write(const std::string& path) const { WriteFile(path, Bytes()); }

 private:
  mnn::NetT net_;
};

// Verifies and unpacks a file.
std::unique_ptr<mnn::NetT> ReadNet(const std::string& path);

// The op of that name; the test fails if it is not there.
const mnn::OpT& FindOp(const mnn::NetT& net, const std::string& name);
const mnn::Convolution2DT& FindConvolution(const mnn::NetT& net, const std::string& name);

// Weights of a type 1 payload, decoded one by one from the description of the format.
std::vector<float> DecodeTableCoded(const mnn::IDSTQuanT& quan);

ConvertOptions Options(const std::string& source, const std::string& output);

}  // namespace quantpress::graph::testing

#endif  // QUANTPRESS_TESTS_GRAPH_MNN_FIXTURE_H_
