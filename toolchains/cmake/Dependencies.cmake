# Every library comes from the distribution. Nothing is vendored and nothing is downloaded.
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(TBB 2021 REQUIRED)
find_package(absl REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(Protobuf REQUIRED)
find_package(cxxopts 3 REQUIRED)
find_package(xsimd 8 REQUIRED)

# Debian ships Highway with pkg-config files and without a CMake package.
pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)

# Header-only for what we use; the CMake package of Debian's flatbuffers names a static library that we do not need.
find_path(FLATBUFFERS_INCLUDE_DIR flatbuffers/flatbuffers.h REQUIRED)
find_path(PROTOZERO_INCLUDE_DIR protozero/pbf_reader.hpp REQUIRED)
find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)

# Code generators run on the build machine, also when cross-compiling.
find_program(FLATC_EXECUTABLE flatc REQUIRED)
find_program(PROTOC_EXECUTABLE protoc REQUIRED)

add_library(quantpress_headers_only INTERFACE)
target_include_directories(quantpress_headers_only SYSTEM INTERFACE
  ${FLATBUFFERS_INCLUDE_DIR} ${PROTOZERO_INCLUDE_DIR} ${XXHASH_INCLUDE_DIR})

if(QUANTPRESS_BUILD_TESTS)
  find_package(GTest 1.12 REQUIRED)
endif()
if(QUANTPRESS_BUILD_BENCH)
  find_package(benchmark 1.7 REQUIRED)
endif()
