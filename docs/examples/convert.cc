// usage: convert_cpp MODEL OUTPUT.mnn [REPORT.html]
// Converts a model with 4-bit weights and prints what became of each layer.
#include <quantpress/quantpress.h>

#include <csignal>
#include <iostream>

namespace {

const quantpress::Cancellation cancellation;

void Stop(int) { cancellation.Cancel(); }

int Fail(const quantpress::Error& error) {
  std::cerr << error.message() << "\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  std::signal(SIGINT, Stop);

  quantpress::Options options;
  options.source.path = argv[1];
  options.output.path = argv[2];
  options.quantization.bits = 4;
  options.quantization.hqq = true;
  options.quantization.block = 32;
  options.quantization.rules = {"op:ConvolutionDepthwise=bits:8,block:-1"};

  const auto plan = quantpress::MakePlan(options);
  if (!plan.ok()) return Fail(plan.error());
  std::cout << plan->layers().size() << " weights planned\n";

  quantpress::Hooks hooks;
  hooks.cancellation = cancellation;
  const auto report = quantpress::Convert(options, hooks);
  if (!report.ok()) return Fail(report.error());
  for (const quantpress::Layer& layer : report->layers()) {
    std::cout << layer.name << ": " << layer.description << ", " << layer.bytes_before << " -> " << layer.bytes_after
              << " bytes";
    if (layer.statistics) std::cout << ", SQNR " << layer.statistics->sqnr_db << " dB";
    std::cout << " (" << layer.reason << ")\n";
  }
  for (const std::string& note : report->notes()) std::cout << "note: " << note << "\n";
  if (argc > 3) {
    const quantpress::Error error = report->Write(argv[3]);
    if (!error.ok()) return Fail(error);
  }
  return 0;
}
