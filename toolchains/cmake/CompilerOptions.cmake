# Flags of our own code. Use: quantpress_options(target).

# Model bytes must not depend on whether the compiler fuses a multiply with an add (docs/numerics.md).
add_compile_options(-ffp-contract=off)

if(QUANTPRESS_SANITIZE)
  add_compile_options(-fsanitize=${QUANTPRESS_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${QUANTPRESS_SANITIZE})
else()
  # What Debian builds with.
  add_compile_options(-fstack-protector-strong -fstack-clash-protection)
  add_link_options(-Wl,-z,relro -Wl,-z,now)
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  endif()
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    add_compile_options(-fcf-protection)
  endif()
endif()

if(NOT CMAKE_CXX_FLAGS_RELEASE MATCHES "O2")
  set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
endif()

if(QUANTPRESS_BUILD_FUZZERS)
  # The library tells the fuzzer which branches an input takes.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

include(CheckPIESupported)
check_pie_supported(LANGUAGES CXX)

function(quantpress_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion
                                           -Wformat -Werror=format-security)
  if(QUANTPRESS_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Sanitizers hide from GCC what is initialized (its manual says so).
    target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC 12 sees accesses out of bounds in inlined std::string code where there are none.
    target_compile_options(${target} PRIVATE -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread)
  endif()
  if(QUANTPRESS_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
endfunction()

# Headers of the standard library and of dependencies that most files use. Only what rarely changes: one change compiles everything anew.
set(QUANTPRESS_PRECOMPILED
  <algorithm> <charconv> <cmath> <filesystem> <functional> <map> <numeric> <optional> <set> <span> <string> <unordered_map>
  <unordered_set> <variant> <vector> <absl/container/inlined_vector.h> <absl/status/statusor.h> <fmt/format.h>)
