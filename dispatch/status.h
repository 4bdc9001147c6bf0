// Errors are values. Every fallible function of this library returns absl::Status or absl::StatusOr<T>; nothing throws
// across the API, prints or exits. Messages are one line that says what was found, where, what was expected and what
// to do about it.
#ifndef QUANTPRESS_DISPATCH_STATUS_H_
#define QUANTPRESS_DISPATCH_STATUS_H_

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fmt/format.h"

namespace quantpress {

using Status = absl::Status;
template <typename T>
using StatusOr = absl::StatusOr<T>;

// The text of a status. (absl::string_view of the distribution's Abseil is not std::string_view.)
inline std::string Message(const Status& status) {
  return std::string(status.message().data(), status.message().size());
}

inline Status MakeStatus(absl::StatusCode code, std::string_view text) {
  return Status(code, absl::string_view(text.data(), text.size()));
}

// The input is wrong: a bad file, option or value. fmt syntax.
template <typename... Args>
Status InvalidInput(fmt::format_string<Args...> format, Args&&... args) {
  return MakeStatus(absl::StatusCode::kInvalidArgument, fmt::format(format, std::forward<Args>(args)...));
}

// The input is legal, but this program cannot do it (an operator, an option that is not built yet).
template <typename... Args>
Status Unsupported(fmt::format_string<Args...> format, Args&&... args) {
  return MakeStatus(absl::StatusCode::kUnimplemented, fmt::format(format, std::forward<Args>(args)...));
}

// The system refused: open, read, write, memory.
template <typename... Args>
Status SystemError(fmt::format_string<Args...> format, Args&&... args) {
  return MakeStatus(absl::StatusCode::kUnavailable, fmt::format(format, std::forward<Args>(args)...));
}

inline Status Cancelled() { return MakeStatus(absl::StatusCode::kCancelled, "cancelled"); }

// The same error with `context` in front: "context: text".
inline Status Annotate(const Status& status, std::string_view context) {
  return status.ok() ? status : MakeStatus(status.code(), fmt::format("{}: {}", context, Message(status)));
}

}  // namespace quantpress

#define QP_CONCAT_INNER(a, b) a##b
#define QP_CONCAT(a, b) QP_CONCAT_INNER(a, b)

// Returns from the calling function if `expr` is not ok.
#define QP_RETURN_IF_ERROR(expr)                                            \
  do {                                                                      \
    if (::quantpress::Status qp_status = (expr); !qp_status.ok()) return qp_status; \
  } while (false)

// QP_ASSIGN_OR_RETURN(auto value, Function());
#define QP_ASSIGN_OR_RETURN(lhs, expr) QP_ASSIGN_OR_RETURN_IMPL(QP_CONCAT(qp_statusor_, __LINE__), lhs, expr)
#define QP_ASSIGN_OR_RETURN_IMPL(statusor, lhs, expr) \
  auto statusor = (expr);                             \
  if (!statusor.ok()) return statusor.status();       \
  lhs = std::move(statusor).value()

#endif  // QUANTPRESS_DISPATCH_STATUS_H_
