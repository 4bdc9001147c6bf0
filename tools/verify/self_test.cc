#include "tools/verify/self_test.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "graph/import/mnn/mnn_importer.h"
#include "graph/model_json/scratch.h"
#include "graph/schema/mnn_generated.h"
#include "tools/verify/child_process.h"

namespace quantpress::tools {

namespace assets {
std::string_view SelfTestScript();
}

namespace {

using Json = nlohmann::json;

constexpr double kSmallestScale = 1e-4;  // a reference of zeros has no scale of its own
constexpr size_t kMostShown = 400;

// TensorFlow models have their channels last.
StatusOr<std::string> DefaultLayout(const std::string& path) {
  QP_ASSIGN_OR_RETURN(const graph::Bytes file, graph::MapMnn(path));
  const mnn::NetSource source = mnn::GetNet(file.data)->sourceType();
  return source == mnn::NetSource::TENSORFLOW || source == mnn::NetSource::TFLITE ? "NHWC" : "NCHW";
}

std::string TextOf(const std::string& path) {
  const StatusOr<graph::Bytes> bytes = graph::MapFile(path);
  return bytes.ok() && !bytes->empty() ? std::string(reinterpret_cast<const char*>(bytes->data), bytes->size) : "";
}

// What a program said last.
std::string Tail(std::string text) {
  text.erase(text.find_last_not_of(" \n\r\t") + 1);
  if (text.size() > kMostShown) text = "..." + text.substr(text.size() - kMostShown);
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string Python(const SelfTest& test) {
  if (!test.python.empty()) return test.python;
  const char* const variable = std::getenv("QUANTPRESS_PYTHON");
  return variable != nullptr && *variable != '\0' ? variable : "python3";
}

Status NoRuntime(std::string_view reason) {
  return MakeStatus(
      absl::StatusCode::kNotFound,
      fmt::format("no MNN runtime to test with: {}; install one (pip install MNN) and name its Python with --python or "
                  "QUANTPRESS_PYTHON",
                  reason));
}

StatusOr<std::vector<OutputCheck>> ReadResult(const std::string& text, double threshold) {
  try {
    const Json json = Json::parse(text);
    if (json.contains("missing")) return NoRuntime(json.at("missing").get<std::string>());
    if (json.contains("error")) return InvalidInput("{}", json.at("error").get<std::string>());
    std::vector<OutputCheck> checks;
    for (const Json& output : json.at("outputs")) {
      OutputCheck& check = checks.emplace_back();
      check.name = output.at("name");
      check.skipped = output.contains("skipped");
      check.problem = output.value("problem", "");
      check.short_reference = output.value("short", "");
      check.largest = output.value("largest", 0.0);
      check.difference = output.value("difference", 0.0);
      check.passed = check.problem.empty() && check.difference <= threshold * std::max(check.largest, kSmallestScale);
    }
    return checks;
  } catch (const Json::exception& error) {
    return SystemError("the test's result cannot be read: {}", error.what());
  }
}

}  // namespace

StatusOr<std::vector<OutputCheck>> RunSelfTest(const SelfTest& test, const dispatch::CancellationToken& cancellation) {
  QP_ASSIGN_OR_RETURN(const std::string layout, DefaultLayout(test.model));
  QP_ASSIGN_OR_RETURN(const std::unique_ptr<graph::ScratchFolder> scratch, graph::ScratchFolder::Create());
  const std::string result = *scratch / "result.json", said = *scratch / "output";
  const std::string python = Python(test);
  std::vector<std::string> words = {python, "-c",  std::string(assets::SelfTestScript()), test.model, test.folder,
                                    layout, result};
  if (!test.config.empty()) words.push_back(test.config);
  QP_ASSIGN_OR_RETURN(const ChildEnd end, RunChild(words, said, cancellation));
  if (!end.started) return NoRuntime(fmt::format("cannot start '{}': {}", python, end.problem));
  const std::string text = TextOf(result);
  if (!text.empty()) return ReadResult(text, test.threshold);
  if (end.signal != 0) {
    return InvalidInput("'{}': the runtime ended with signal {} ({})", test.model, end.signal, strsignal(end.signal));
  }
  const std::string last = Tail(TextOf(said));
  return InvalidInput("'{}': the runtime ended with status {}{}{}", test.model, end.code, last.empty() ? "" : ": ", last);
}

}  // namespace quantpress::tools
