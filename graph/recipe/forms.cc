#include "graph/recipe/forms.h"

namespace quantpress::graph::recipe {

std::string JsonName(std::string_view name) {
  std::string out;
  bool upper = false;
  for (char c : name) {
    if (c == '_') {
      upper = true;
      continue;
    }
    out += upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    upper = false;
  }
  return out;
}

std::string Join(std::string_view path, std::string_view name) {
  std::string out(path);
  if (!out.empty()) out += '.';
  out += JsonName(name);
  return out;
}

std::string_view WhatIsPossible(Accept accept, int64_t value) {
  switch (accept) {
    case Accept::kRequiredPositive:
    case Accept::kPositive: return value > 0 ? "" : "a whole number above 0";
    case Accept::kWeightBits: return value == 0 || (value >= 2 && value <= 8) ? "" : "0 (leave float) or 2 to 8";
    case Accept::kBits: return value >= 2 && value <= 8 ? "" : "2 to 8";
    case Accept::kCode: return value >= -128 && value <= 127 ? "" : "-128 to 127";
    default: return "";
  }
}

std::string_view WhatIsPossible(Accept accept, double value) {
  if (accept == Accept::kScale) return std::isfinite(value) && value >= 0 ? "" : "a finite number, 0 or above";
  if (accept == Accept::kRatio) return value >= 0 && value <= 1 ? "" : "a number from 0 to 1";
  return std::isfinite(value) ? "" : "a finite number";
}

std::string NamesOf(EnumNames names) {
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) {
    text += i == 0 ? "" : i + 1 == names.size() ? " or " : ", ";
    text += names[i];
  }
  return text;
}

}  // namespace quantpress::graph::recipe
