// `quantpress inspect`: what a model file contains.
#include "graph/inspect.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tools/commands/commands.h"
#include "tools/commands/inspect_weights.h"
#include "tools/terminal/progress.h"

namespace quantpress::tools {
namespace {

using graph::GraphSummary;
using graph::ModelSummary;
using graph::TensorSummary;
using graph::WeightSummary;
using Json = nlohmann::ordered_json;

Json ToJson(const TensorSummary& tensor) {
  return {{"name", tensor.name}, {"dims", tensor.dims}, {"type", tensor.type}, {"format", tensor.format}};
}

Json ToJson(const GraphSummary& graph) {
  Json json = {{"name", graph.name}, {"tensors", graph.tensors}, {"ops", graph.ops}};
  json["inputs"] = Json::array();
  for (const TensorSummary& tensor : graph.inputs) json["inputs"].push_back(ToJson(tensor));
  json["outputs"] = Json::array();
  for (const TensorSummary& tensor : graph.outputs) json["outputs"].push_back(ToJson(tensor));
  json["op_types"] = Json::object();
  for (const graph::OpCount& op : graph.op_types) json["op_types"][op.type] = op.count;
  return json;
}

Json ToJson(const WeightSummary& weight) {
  return {{"layer", weight.layer},
          {"subgraph", weight.subgraph},
          {"op_type", weight.op_type},
          {"coding", weight.coding},
          {"bits", weight.bits},
          {"asymmetric", weight.asymmetric},
          {"elements", weight.elements},
          {"groups", weight.groups},
          {"group_size", weight.group_size},
          {"block", weight.block},
          {"scale_bits", weight.scale_bits},
          {"external", weight.external},
          {"bytes", weight.bytes}};
}

std::string JsonText(const ModelSummary& model) {
  Json json = {{"format", graph::SourceFormatName(model.format)},
               {"file_bytes", model.file_bytes},
               {"external_bytes", model.external_bytes},
               {"source", model.source},
               {"version", model.version},
               {"uuid", model.uuid},
               {"biz_code", model.biz_code},
               {"auth_code", model.auth_code}};
  json["metadata"] = Json::object();
  for (const auto& [key, value] : model.metadata) json["metadata"][key] = value;
  json["graph"] = ToJson(model.main);
  json["subgraphs"] = Json::array();
  for (const GraphSummary& graph : model.subgraphs) json["subgraphs"].push_back(ToJson(graph));
  json["weights"] = Json::array();
  for (const WeightSummary& weight : model.weights) json["weights"].push_back(ToJson(weight));
  json["weight_elements"] = model.weight_elements;
  json["weight_bytes"] = model.weight_bytes;
  // Names come from the file and may be no UTF-8.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string Describe(const TensorSummary& tensor) {
  std::string text = tensor.name;
  if (!tensor.dims.empty()) {
    text += "  ";
    for (size_t i = 0; i < tensor.dims.size(); ++i) {
      text += (i > 0 ? "x" : "") + (tensor.dims[i] < 0 ? std::string("?") : std::to_string(tensor.dims[i]));
    }
  }
  for (const std::string& word : {tensor.type, tensor.format}) text += word.empty() ? "" : "  " + word;
  return text;
}

void AppendGraph(const GraphSummary& graph, std::string* out) {
  if (!graph.name.empty()) *out += fmt::format("subgraph {}\n", graph.name);
  for (const TensorSummary& tensor : graph.inputs) *out += fmt::format("input    {}\n", Describe(tensor));
  for (const TensorSummary& tensor : graph.outputs) *out += fmt::format("output   {}\n", Describe(tensor));
  *out += fmt::format("ops      {}:", graph.ops);
  for (const graph::OpCount& op : graph.op_types) *out += fmt::format(" {} {}", op.count, op.type);
  *out += "\n";
}

std::string Text(const ModelSummary& model) {
  std::string out = fmt::format("format   {}", graph::SourceFormatName(model.format));
  if (!model.source.empty()) out += fmt::format(", from {}", model.source);
  if (!model.version.empty()) out += fmt::format(", version {}", model.version);
  out += fmt::format("\nsize     {}", HumanBytes(model.file_bytes));
  if (model.external_bytes > 0) out += fmt::format(" and {} of external weights", HumanBytes(model.external_bytes));
  out += "\n";
  if (!model.biz_code.empty()) out += fmt::format("bizCode  {}\n", model.biz_code);
  for (const auto& [key, value] : model.metadata) out += fmt::format("meta     {} = {}\n", key, value);
  AppendGraph(model.main, &out);
  for (const GraphSummary& graph : model.subgraphs) AppendGraph(graph, &out);
  if (model.weights.empty()) return out;
  size_t name_width = 5, coding_width = 6, type_width = 2;
  std::vector<std::string> names, codings;
  for (const WeightSummary& weight : model.weights) {
    names.push_back(weight.subgraph.empty() ? weight.layer : fmt::format("{}/{}", weight.subgraph, weight.layer));
    codings.push_back(CodingName(weight));
    // A very long name gets a line that is out of step, and not all others wide ones.
    name_width = std::max(name_width, std::min<size_t>(names.back().size(), 40));
    coding_width = std::max(coding_width, codings.back().size());
    type_width = std::max(type_width, weight.op_type.size());
  }
  out += fmt::format("\n{:{}}  {:{}}  {:{}}  {:>12}  {:>12}\n", "layer", name_width, "op", type_width, "coding",
                     coding_width, "weights", "bytes");
  for (size_t i = 0; i < names.size(); ++i) {
    const WeightSummary& weight = model.weights[i];
    out += fmt::format("{:{}}  {:{}}  {:{}}  {:>12}  {:>12}\n", names[i], name_width, weight.op_type, type_width,
                       codings[i], coding_width, weight.elements, weight.bytes);
  }
  out += fmt::format("{:{}}  {:{}}  {:{}}  {:>12}  {:>12}\n", "total", name_width, "", type_width, "", coding_width,
                     model.weight_elements, model.weight_bytes);
  return out;
}

}  // namespace

int InspectFile(const Context& context, const std::string& path, bool json) {
  const StatusOr<ModelSummary> model = graph::Inspect(path);
  if (!model.ok()) return Fail(context, model.status());
  return PrintData(context, json ? JsonText(*model) : Printable(Text(*model)));
}

int RunInspect(const Context& context) {
  const ParsedLine& line = context.line;
  const bool json = line.Flag("json");
  if (line.Flag("diff")) {
    if (line.Given("weights")) return FailUsage(context, InvalidInput("--weights and --diff contradict each other"));
    if (line.words.size() != 2) return FailUsage(context, InvalidInput("--diff needs two files"));
    return PrintDiff(context, line.words[0], line.words[1], json);
  }
  if (line.words.size() != 1) return FailUsage(context, InvalidInput("too many words: {}; two files need --diff", line.words[1]));
  if (line.Given("weights")) return PrintWeights(context, line.words[0], line.Text("weights"), json);
  return InspectFile(context, line.words[0], json);
}

}  // namespace quantpress::tools
