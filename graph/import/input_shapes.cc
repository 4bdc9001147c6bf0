#include "graph/import/input_shapes.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "graph/ir/bytes.h"

namespace quantpress::graph {
namespace {

constexpr std::string_view kKeys[] = {"input_size", "input_names", "input_dims"};
enum Key : size_t { kSize, kNames, kDims, kKeyCount };
static_assert(std::size(kKeys) == kKeyCount);

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.push_back(Trim(text.substr(0, end)));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// A whole number from 1 to 2147483647.
std::optional<int64_t> Positive(std::string_view text) {
  int32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 1) return std::nullopt;
  return number;
}

struct Entry {
  int line = 0;  // 0: not there
  std::string_view value;
};

Status ReadEntries(std::string_view text, const std::string& file, Entry (&entries)[kKeyCount]) {
  int number = 0;
  for (std::string_view line : Split(text, '\n')) {
    ++number;
    line = Trim(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    const size_t equal = line.find('=');
    if (equal == std::string_view::npos) return InvalidInput("{}:{}: \"{}\"; expected `key = value`", file, number, line);
    const std::string_view key = Trim(line.substr(0, equal));
    const auto* known = std::find(std::begin(kKeys), std::end(kKeys), key);
    if (known == std::end(kKeys)) {
      return InvalidInput("{}:{}: unknown key \"{}\"; expected input_size, input_names or input_dims", file, number, key);
    }
    Entry& entry = entries[known - std::begin(kKeys)];
    if (entry.line != 0) return InvalidInput("{}:{}: {} is there already, in line {}", file, number, key, entry.line);
    entry = {number, Trim(line.substr(equal + 1))};
    if (entry.value.empty()) return InvalidInput("{}:{}: {} has no value", file, number, key);
  }
  for (const size_t i : {kNames, kDims}) {
    if (entries[i].line == 0) return InvalidInput("{}:{}: {} is missing; the file ends here", file, number, kKeys[i]);
  }
  return {};
}

std::string ShapeText(const std::vector<int64_t>& dims) {
  std::string text;
  for (int64_t d : dims) text += (text.empty() ? "" : "x") + (d < 0 ? std::string("?") : std::to_string(d));
  return text;
}

const InputShape* Find(const ImportOptions& options, std::string_view name) {
  for (const InputShape& shape : options.input_shapes) {
    if (shape.name == name) return &shape;
  }
  return nullptr;
}

}  // namespace

StatusOr<std::vector<InputShape>> ParseInputConfig(std::string_view text, const std::string& file) {
  Entry entries[kKeyCount];
  QP_RETURN_IF_ERROR(ReadEntries(text, file, entries));
  const std::vector<std::string_view> names = Split(entries[kNames].value, ','), dims = Split(entries[kDims].value, ',');
  std::optional<int64_t> count = static_cast<int64_t>(names.size());
  if (entries[kSize].line != 0) count = Positive(entries[kSize].value);
  if (!count) {
    return InvalidInput("{}:{}: input_size: \"{}\"; expected a whole number from 1", file, entries[kSize].line, entries[kSize].value);
  }
  for (const auto& [key, found] : {std::pair{kNames, names.size()}, std::pair{kDims, dims.size()}}) {
    if (found == static_cast<uint64_t>(*count)) continue;
    return InvalidInput("{}:{}: {} has {} entries; {} {}", file, entries[key].line, kKeys[key], found,
                        entries[kSize].line != 0 ? "input_size says" : "input_names has", *count);
  }
  std::vector<InputShape> shapes;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) return InvalidInput("{}:{}: input_names: entry {} is empty", file, entries[kNames].line, i + 1);
    if (std::find(names.begin(), names.begin() + static_cast<int64_t>(i), names[i]) != names.begin() + static_cast<int64_t>(i)) {
      return InvalidInput("{}:{}: input_names: \"{}\" is there twice", file, entries[kNames].line, names[i]);
    }
    InputShape shape = {std::string(names[i]), {}};
    for (std::string_view part : Split(dims[i], 'x')) {
      const std::optional<int64_t> size = Positive(part);
      if (!size) {
        return InvalidInput("{}:{}: input_dims: \"{}\" for '{}'; expected sizes from 1 to 2147483647 like 1x3x224x224", file,
                            entries[kDims].line, dims[i], names[i]);
      }
      shape.dims.push_back(*size);
    }
    shapes.push_back(std::move(shape));
  }
  return shapes;
}

StatusOr<std::vector<InputShape>> ReadInputConfig(const std::string& path) {
  QP_ASSIGN_OR_RETURN(const Bytes file, MapFile(path));
  return ParseInputConfig({reinterpret_cast<const char*>(file.data), file.size}, path);
}

Status ResolveInputShapes(ImportOptions* options) {
  if (!options->static_shapes || options->input_config_path.empty() || !options->input_shapes.empty()) return {};
  QP_ASSIGN_OR_RETURN(options->input_shapes, ReadInputConfig(options->input_config_path));
  return {};
}

Status CheckShapedInputs(const ImportOptions& options, const std::vector<std::string>& inputs) {
  for (const InputShape& shape : options.input_shapes) {
    if (std::find(inputs.begin(), inputs.end(), shape.name) != inputs.end()) continue;
    return InvalidInput("'{}': a shape for '{}', which is no input of the model; its inputs are {}", options.model_path, shape.name,
                        fmt::join(inputs, ", "));
  }
  return {};
}

StatusOr<std::vector<int64_t>> FixedShape(const ImportOptions& options, std::string_view name,
                                          const std::optional<std::vector<int64_t>>& declared) {
  const auto is_open = [](int64_t d) { return d < 0; };
  const InputShape* given = Find(options, name);
  if (given == nullptr) {
    if (declared && std::none_of(declared->begin(), declared->end(), is_open)) return *declared;
    return InvalidInput("'{}': --saveStaticModel needs the shape of input '{}', which is {}; give it with --inputConfigFile",
                        options.model_path, name, declared ? ShapeText(*declared) : "unknown");
  }
  bool fits = !declared || declared->size() == given->dims.size();
  for (size_t i = 0; declared && fits && i < declared->size(); ++i) fits = is_open((*declared)[i]) || (*declared)[i] == given->dims[i];
  if (fits) return given->dims;
  return InvalidInput("'{}': input '{}' is {}, the shape given for it {}", options.model_path, name, ShapeText(*declared),
                      ShapeText(given->dims));
}

Status FixInputOps(const ImportOptions& options, Model* model) {
  std::vector<std::string> names;
  for (Op& op : model->main.ops) {
    if (op.type == mnn::OpType::Input && op.main.AsInput() != nullptr) names.push_back(op.name);
  }
  QP_RETURN_IF_ERROR(CheckShapedInputs(options, names));
  for (Op& op : model->main.ops) {
    mnn::InputT* input = op.type == mnn::OpType::Input ? op.main.AsInput() : nullptr;
    if (input == nullptr) continue;
    std::optional<std::vector<int64_t>> declared = std::vector<int64_t>(input->dims.begin(), input->dims.end());
    if (*declared == std::vector<int64_t>{-1}) declared.reset();  // also what an unknown rank is written as
    // The stock converter writes an open first size as 1.
    if (declared && !declared->empty() && (*declared)[0] == 1 && Find(options, op.name) != nullptr) (*declared)[0] = -1;
    QP_ASSIGN_OR_RETURN(const std::vector<int64_t> fixed, FixedShape(options, op.name, declared));
    input->dims.assign(fixed.begin(), fixed.end());
  }
  return {};
}

}  // namespace quantpress::graph
