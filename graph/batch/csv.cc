#include "graph/batch/csv.h"

namespace quantpress::graph {
namespace {

class CsvParser {
 public:
  CsvParser(std::string_view text, const std::string& path) : text_(text), path_(path) {
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
  }

  StatusOr<std::vector<CsvRecord>> Run() {
    std::vector<CsvRecord> records;
    while (at_ < text_.size()) {
      CsvRecord record;
      record.line = line_;
      QP_RETURN_IF_ERROR(Record(&record));
      if (record.fields.size() > 1 || !record.fields[0].empty()) records.push_back(std::move(record));
    }
    return records;
  }

 private:
  bool AtLineEnd() const {
    return at_ >= text_.size() || text_[at_] == '\n' || (text_[at_] == '\r' && (at_ + 1 >= text_.size() || text_[at_ + 1] == '\n'));
  }

  Status Record(CsvRecord* record) {
    for (;;) {
      record->fields.emplace_back();
      QP_RETURN_IF_ERROR(Field(record->fields.size(), &record->fields.back()));
      if (AtLineEnd()) break;
      ++at_;  // a comma
    }
    if (at_ < text_.size() && text_[at_] == '\r') ++at_;
    if (at_ < text_.size()) ++at_;
    ++line_;
    return {};
  }

  Status Field(size_t number, std::string* field) {
    if (at_ < text_.size() && text_[at_] == '"') return QuotedField(number, field);
    for (; !AtLineEnd() && text_[at_] != ','; ++at_) {
      if (text_[at_] == '"') {
        return InvalidInput("{}:{}: field {}: a quote inside a field that does not start with one; write \"...\"\"...\"", path_, line_, number);
      }
      *field += text_[at_];
    }
    return {};
  }

  Status QuotedField(size_t number, std::string* field) {
    const int first_line = line_;
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') {
        if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
          ++at_;
        } else {
          ++at_;
          if (AtLineEnd() || text_[at_] == ',') return {};
          return InvalidInput("{}:{}: field {}: text after the closing quote", path_, line_, number);
        }
      }
      line_ += c == '\n';
      *field += c;
    }
    return InvalidInput("{}:{}: field {}: the quote is not closed", path_, first_line, number);
  }

  std::string_view text_;
  const std::string& path_;
  size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

StatusOr<std::vector<CsvRecord>> ParseCsv(std::string_view text, const std::string& path) { return CsvParser(text, path).Run(); }

}  // namespace quantpress::graph
