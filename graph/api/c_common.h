// What the functions of quantpress_c.h share: errors as handles, structs whose size their caller says.
#ifndef QUANTPRESS_GRAPH_API_C_COMMON_H_
#define QUANTPRESS_GRAPH_API_C_COMMON_H_

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <string>

#include "graph/api/quantpress.h"
#include "graph/api/quantpress_c.h"

struct qp_error {
  quantpress::Error error;
};

namespace quantpress::c {

// Gives the error to the caller. Where memory is used up, the status is all there is.
inline qp_status Give(const Error& error, qp_error** out) {
  if (out == nullptr || error.ok()) return static_cast<qp_status>(error.code());
  try {
    *out = new qp_error{error};
  } catch (const std::exception&) {
    *out = nullptr;
  }
  return static_cast<qp_status>(error.code());
}

// Calls `body`, which returns an Error. Nothing is thrown to the caller.
template <typename Body>
qp_status Call(qp_error** out, const Body& body) {
  if (out != nullptr) *out = nullptr;
  try {
    return Give(body(), out);
  } catch (const std::bad_alloc&) {
    return QP_SYSTEM;
  } catch (const std::exception&) {
    return QP_INTERNAL;
  }
}

inline Error IsNull(const char* what) { return Error(ErrorCode::kInvalidInput, std::string(what) + " is NULL"); }

inline std::string Text(const char* text) { return text == nullptr ? std::string() : std::string(text); }

// Copies what the caller's struct has room for; it keeps its size. Returns QP_INVALID_INPUT for one without a size.
template <typename Struct>
qp_status Fill(Struct known, Struct* out) {
  if (out == nullptr || out->size < sizeof(out->size)) return QP_INVALID_INPUT;
  known.size = out->size;
  std::memcpy(out, &known, std::min(out->size, sizeof(Struct)));
  return QP_OK;
}

// A caller's struct over the defaults `known`. Fields of a newer version than this one must be zero: they ask for what
// cannot be done.
template <typename Struct>
Error Read(const Struct* in, const char* name, Struct* known) {
  if (in == nullptr) return IsNull(name);
  if (in->size < sizeof(in->size)) {
    return Error(ErrorCode::kInvalidInput, std::string(name) + ": size is not set; " + name + "_init does it");
  }
  const auto* const bytes = reinterpret_cast<const unsigned char*>(in);
  if (in->size > sizeof(Struct) &&
      std::any_of(bytes + sizeof(Struct), bytes + in->size, [](unsigned char b) { return b != 0; })) {
    return Error(ErrorCode::kUnsupported,
                 std::string(name) + ": a field is set that this version of the library does not have");
  }
  std::memcpy(known, in, std::min(in->size, sizeof(Struct)));
  return {};
}

// A copy for the caller, or null.
inline char* CopyText(const std::string& text) {
  char* const copy = new (std::nothrow) char[text.size() + 1];
  if (copy != nullptr) std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

inline Error GiveText(const Result<std::string>& text, char** out) {
  if (!text.ok()) return text.error();
  *out = CopyText(*text);
  return *out == nullptr ? Error(ErrorCode::kSystem, "out of memory") : Error();
}

}  // namespace quantpress::c

#endif  // QUANTPRESS_GRAPH_API_C_COMMON_H_
