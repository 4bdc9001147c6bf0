// usage: consumer MODEL OUTPUT.mnn: converts with 8-bit weights and prints how many were quantized.
#include <cstdio>

#include "graph/convert.h"
#include "graph/version.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  quantpress::graph::ConvertOptions options;
  options.import.model_path = argv[1];
  options.output.output_path = argv[2];
  options.quantize.request.bits = 8;
  const auto result = quantpress::graph::Convert(options);
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().ToString().c_str());
    return 1;
  }
  std::printf("quantpress %s: %zu weights, %llu bytes\n", quantpress::graph::Version(), result->plan.weights.size(),
              static_cast<unsigned long long>(result->output_bytes));
}
