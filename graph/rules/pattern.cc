// Thompson's construction: the pattern becomes a program with forks, and all threads of it are run side by side.
#include "graph/rules/pattern.h"

namespace quantpress::graph {

namespace {
constexpr size_t kMostSteps = 4096;
constexpr int kMostNesting = 32;
}  // namespace

class PatternParser {
 public:
  using Program = Pattern::Program;
  using Code = Pattern::Code;

  explicit PatternParser(std::string_view text) : text_(text) {}

  StatusOr<Program> Run() {
    Program program = Alternatives(0);
    if (status_.ok() && !AtEnd()) Fail("')' without '('");
    QP_RETURN_IF_ERROR(status_);
    program.push_back({});
    return program;
  }

 private:
  bool AtEnd() const { return at_ >= text_.size(); }
  char Peek() const { return text_[at_]; }
  void Fail(std::string_view what) {
    if (status_.ok()) status_ = InvalidInput("{} at place {}", what, std::min(at_ + 1, text_.size() + 1));
    at_ = text_.size();
  }

  static void Append(Program* to, const Program& from) { to->insert(to->end(), from.begin(), from.end()); }
  static Pattern::Step Jump(Code code, size_t first, size_t second = 0) {
    return {code, static_cast<int32_t>(first), static_cast<int32_t>(second), {}};
  }
  static Pattern::Step Back(Code code, size_t first, int32_t second = 0) { return {code, -static_cast<int32_t>(first), second, {}}; }

  Program Alternatives(int depth) {
    Program left = Sequence(depth);
    while (!AtEnd() && Peek() == '|') {
      ++at_;
      const Program right = Sequence(depth);
      Program both = {Jump(Code::kSplit, 1, left.size() + 2)};
      Append(&both, left);
      both.push_back(Jump(Code::kJump, right.size() + 1));
      Append(&both, right);
      left = std::move(both);
      if (left.size() > kMostSteps) Fail("the pattern is too long");
    }
    return left;
  }

  Program Sequence(int depth) {
    Program all;
    while (!AtEnd() && Peek() != '|' && Peek() != ')') {
      Append(&all, Repeated(Single(depth)));
      if (all.size() > kMostSteps) Fail("the pattern is too long");
    }
    return all;
  }

  Program Repeated(Program one) {
    while (!AtEnd() && (Peek() == '*' || Peek() == '+' || Peek() == '?')) {
      const size_t size = one.size();
      Program out;
      if (Peek() != '+') out.push_back(Jump(Code::kSplit, 1, size + (Peek() == '*' ? 2 : 1)));
      Append(&out, one);
      if (Peek() == '*') out.push_back(Back(Code::kJump, size + 1));
      if (Peek() == '+') out.push_back(Back(Code::kSplit, size, 1));
      one = std::move(out);
      if (one.size() > kMostSteps) Fail("the pattern is too long");
      if (!AtEnd()) ++at_;
    }
    return one;
  }

  Program Single(int depth) {
    Pattern::Step step;
    step.code = Code::kByte;
    const char c = Peek();
    switch (c) {
      case '(': return Group(depth);
      case '[': step.set = Class(); return {step};
      case '*':
      case '+':
      case '?':
        Fail(fmt::format("'{}' has nothing to repeat ({})", c, c == '*' ? "for \"any text\" write .*" : "it follows what it repeats"));
        return {};
      case '{':
      case '}': Fail(fmt::format("'{}' is not supported; write \\{} for the sign itself", c, c)); return {};
      case '^': step.code = Code::kBegin; break;
      case '$': step.code = Code::kEnd; break;
      case '.': step.set.set(); break;
      case '\\': step.set = Escape(); return {step};
      default: step.set.set(static_cast<uint8_t>(c));
    }
    ++at_;
    return {step};
  }

  Program Group(int depth) {
    const size_t open = at_++;
    if (depth >= kMostNesting) {
      Fail("groups are nested too deep");
      return {};
    }
    Program inner = Alternatives(depth + 1);
    if (!status_.ok()) return {};
    if (AtEnd()) {
      at_ = open;
      Fail("'(' without ')'");
      return {};
    }
    ++at_;
    return inner;
  }

  std::bitset<256> Escape() {
    std::bitset<256> set;
    if (++at_ >= text_.size()) {
      Fail("'\\' at the end");
      return set;
    }
    const char c = text_[at_++];
    if (c == 'd' || c == 'w') AddRange('0', '9', &set);
    if (c == 'w') {
      AddRange('a', 'z', &set);
      AddRange('A', 'Z', &set);
      AddRange('_', '_', &set);
    }
    if (set.none()) {
      if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
        --at_;
        Fail(fmt::format("'\\{}' is not supported", c));
      }
      set.set(static_cast<uint8_t>(c));
    }
    return set;
  }

  static void AddRange(char first, char last, std::bitset<256>* set) {
    for (int i = static_cast<uint8_t>(first); i <= static_cast<uint8_t>(last); ++i) set->set(static_cast<size_t>(i));
  }

  std::bitset<256> Class() {
    const size_t open = at_++;
    std::bitset<256> set;
    const bool inverted = !AtEnd() && Peek() == '^';
    if (inverted) ++at_;
    for (bool first = true; !AtEnd() && (first || Peek() != ']'); first = false) {
      if (Peek() == '\\') {
        set |= Escape();
        continue;
      }
      const char low = text_[at_++];
      const bool range = at_ + 1 < text_.size() && Peek() == '-' && text_[at_ + 1] != ']';
      if (!range) {
        set.set(static_cast<uint8_t>(low));
        continue;
      }
      const char high = text_[at_ + 1];
      if (static_cast<uint8_t>(high) < static_cast<uint8_t>(low)) Fail("a range of a class that runs backwards");
      else at_ += 2;
      AddRange(low, high, &set);
    }
    if (!status_.ok()) return set;
    if (AtEnd()) {
      at_ = open;
      Fail("'[' without ']'");
      return set;
    }
    ++at_;
    return inverted ? ~set : set;
  }

  std::string_view text_;
  size_t at_ = 0;
  Status status_;
};

StatusOr<Pattern> Pattern::Compile(std::string_view text) {
  Pattern pattern;
  QP_ASSIGN_OR_RETURN(pattern.program_, PatternParser(text).Run());
  return pattern;
}

bool Pattern::Matches(std::string_view name) const {
  // Threads that wait for a byte; `marked` holds the place at which a step was last reached.
  std::vector<size_t> now, next, stack;
  std::vector<size_t> marked(program_.size(), SIZE_MAX);
  bool matched = false;
  const auto follow = [&](size_t start, size_t place, std::vector<size_t>* threads) {
    stack.push_back(start);
    while (!stack.empty()) {
      const size_t pc = stack.back();
      stack.pop_back();
      if (marked[pc] == place) continue;
      marked[pc] = place;
      const Step& step = program_[pc];
      const auto target = [pc](int32_t offset) { return pc + static_cast<size_t>(static_cast<ptrdiff_t>(offset)); };
      switch (step.code) {
        case Code::kByte: threads->push_back(pc); break;
        case Code::kJump: stack.push_back(target(step.first)); break;
        case Code::kSplit:
          stack.push_back(target(step.second));
          stack.push_back(target(step.first));
          break;
        case Code::kBegin:
          if (place == 0) stack.push_back(pc + 1);
          break;
        case Code::kEnd:
          if (place == name.size()) stack.push_back(pc + 1);
          break;
        case Code::kMatch: matched |= place == name.size();
      }
    }
  };
  follow(0, 0, &now);
  for (size_t place = 0; place < name.size() && !now.empty(); ++place) {
    next.clear();
    for (size_t pc : now) {
      if (program_[pc].set.test(static_cast<uint8_t>(name[place]))) follow(pc + 1, place + 1, &next);
    }
    now.swap(next);
  }
  return matched;
}

}  // namespace quantpress::graph
