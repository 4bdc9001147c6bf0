// Import and plan of arbitrary bytes as a model of the format FUZZ_FORMAT.
#include "graph/convert.h"
#include "tests/fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const quantpress::testing::MemoryFile file(data, size);
  quantpress::graph::ImportOptions options;
  options.format = quantpress::graph::SourceFormat::FUZZ_FORMAT;
  options.model_path = file.path();
  const auto model = quantpress::graph::ImportModel(options);
  if (model.ok()) {
    quantpress::graph::QuantizeOptions quantize;
    quantize.request.bits = 4;
    (void)quantpress::graph::PlanModel(*model, quantize);
  }
  return 0;
}
