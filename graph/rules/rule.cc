#include "graph/rules/rule.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <vector>

#include "graph/schema/mnn_generated.h"

namespace quantpress::graph {
namespace {

constexpr std::string_view kTypePrefix = "op:";
constexpr std::string_view kNames = "bits, block, asymmetric, hqq, scale, fp16 or skip";

bool IsOpType(std::string_view name) {
  for (const mnn::OpType type : mnn::EnumValuesOpType()) {
    if (mnn::EnumNameOpType(type) == name) return true;
  }
  return false;
}

// Parses the settings of one rule.
class SettingParser {
 public:
  explicit SettingParser(Settings* settings) : settings_(*settings) {}

  Status Parse(std::string_view text) {
    std::vector<std::string_view> settings;
    for (;;) {
      const size_t comma = text.find(',');
      settings.push_back(text.substr(0, comma));
      if (comma == std::string_view::npos) break;
      text.remove_prefix(comma + 1);
    }
    const bool skip = std::find(settings.begin(), settings.end(), "skip") != settings.end();
    if (skip && settings.size() > 1) return InvalidInput("skip stands alone; other settings contradict it");
    for (std::string_view one : settings) QP_RETURN_IF_ERROR(One(one));
    if (settings_.hqq.value_or(false) && !settings_.asymmetric.value_or(true)) {
      return InvalidInput("hqq:1 is asymmetric; asymmetric:0 contradicts it");
    }
    return {};
  }

 private:
  Status One(std::string_view text) {
    if (text.empty()) return InvalidInput("an empty setting; expected {}", kNames);
    if (text == "skip") {
      settings_.bits = 0;
      settings_.fp16 = false;
      return {};
    }
    const size_t colon = text.find(':');
    const std::string_view name = text.substr(0, colon);
    const std::string_view value = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
    if (name == "skip") return InvalidInput("\"{}\": skip has no value, it stands alone", text);
    if (value.empty() && IsName(name)) return InvalidInput("{} has no value; expected {}:VALUE", name, name);
    if (name == "bits") {
      return Number(name, value, "0 or 2 to 8", [](int64_t n) { return n == 0 || (n >= 2 && n <= 8); }, &settings_.bits);
    }
    if (name == "block") {
      return Number(name, value, "-1 (one scale per output channel) or a number above 0",
                    [](int64_t n) { return n == -1 || (n >= 1 && n <= INT32_MAX); }, &settings_.block);
    }
    if (name == "scale") {
      return Number(name, value, "16 or 32", [](int64_t n) { return n == 16 || n == 32; }, &settings_.scale_bits);
    }
    if (name == "asymmetric") return Flag(name, value, &settings_.asymmetric);
    if (name == "hqq") return Flag(name, value, &settings_.hqq);
    if (name == "fp16") return Flag(name, value, &settings_.fp16);
    return InvalidInput("\"{}\" is not a setting; expected {}", name, kNames);
  }

  static bool IsName(std::string_view text) {
    constexpr std::string_view kWithValue[] = {"bits", "block", "asymmetric", "hqq", "scale", "fp16"};
    return std::find(std::begin(kWithValue), std::end(kWithValue), text) != std::end(kWithValue);
  }

  static Status Impossible(std::string_view name, std::string_view value, std::string_view expected) {
    const std::string_view blank = value.find_first_of(" \t") != std::string_view::npos ? ", without blanks" : "";
    return InvalidInput("{}:{} is not possible; expected {}{}", name, value, expected, blank);
  }

  template <typename T>
  Status Store(std::string_view name, T value, std::optional<T>* to) {
    if (to->has_value()) return InvalidInput("{} is set twice", name);
    *to = value;
    return {};
  }

  template <typename T, typename IsPossible>
  Status Number(std::string_view name, std::string_view text, std::string_view expected, IsPossible is_possible,
                std::optional<T>* to) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !is_possible(value)) {
      return Impossible(name, text, expected);
    }
    return Store(name, static_cast<T>(value), to);
  }

  Status Flag(std::string_view name, std::string_view text, std::optional<bool>* to) {
    if (text == "1" || text == "true") return Store(name, true, to);
    if (text == "0" || text == "false") return Store(name, false, to);
    return Impossible(name, text, "0 or 1");
  }

  Settings& settings_;
};

Status ParseInto(std::string_view text, Rule* rule) {
  const size_t equals = text.rfind('=');
  if (equals == std::string_view::npos) return InvalidInput("no '='; expected PATTERN=SETTINGS or op:TYPE=SETTINGS");
  const std::string_view choice = text.substr(0, equals);
  if (choice.empty()) return InvalidInput("no pattern before '='; .* is every layer");
  if (choice.substr(0, kTypePrefix.size()) == kTypePrefix) {
    rule->op_type = std::string(choice.substr(kTypePrefix.size()));
    if (!IsOpType(rule->op_type)) {
      return InvalidInput("\"{}\" is not an operator type; `quantpress inspect MODEL` shows the types of a model", rule->op_type);
    }
  } else {
    QP_ASSIGN_OR_RETURN(rule->pattern, Pattern::Compile(choice));
  }
  return SettingParser(&rule->settings).Parse(text.substr(equals + 1));
}

}  // namespace

void Settings::ApplyTo(dispatch::WeightRequest* request) const {
  if (bits) request->bits = *bits;
  if (block) request->block = *block;
  if (scale_bits) request->scale_bits = *scale_bits;
  if (fp16) request->fp16 = *fp16;
  if (asymmetric) {
    request->asymmetric = *asymmetric;
    request->hqq &= *asymmetric;
  }
  if (hqq) {
    request->hqq = *hqq;
    request->asymmetric |= *hqq;
  }
}

bool Rule::Matches(const std::string& subgraph, const std::string& layer, std::string_view type) const {
  if (!op_type.empty()) return op_type == type;
  return pattern.Matches(layer) || (!subgraph.empty() && pattern.Matches(subgraph + "/" + layer));
}

StatusOr<Rule> ParseRule(std::string_view text) {
  Rule rule;
  rule.text = std::string(text);
  QP_RETURN_IF_ERROR(Annotate(ParseInto(text, &rule), fmt::format("rule '{}'", text)));
  return rule;
}

}  // namespace quantpress::graph
