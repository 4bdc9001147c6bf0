# Cross build for 64-bit ARM on Debian: cross g++, arm64 libraries from the tree that scripts/arm64-sysroot makes, and
# qemu to run what was built.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

set(ARM64_ROOT ${CMAKE_CURRENT_LIST_DIR}/../build/arm64-root CACHE PATH "Tree of arm64 libraries")
get_filename_component(arm64_root ${ARM64_ROOT} ABSOLUTE)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ARM64_ROOT)
if(NOT EXISTS ${arm64_root}/usr/lib/aarch64-linux-gnu)
  message(FATAL_ERROR "There are no arm64 libraries in ${arm64_root}: run scripts/arm64-sysroot first")
endif()

# Libraries and headers come from the tree only, programs (flatc, protoc) from this machine only.
set(CMAKE_FIND_ROOT_PATH ${arm64_root})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} ${arm64_root}/usr/lib/aarch64-linux-gnu/pkgconfig:${arm64_root}/usr/share/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${arm64_root})

# The linker looks for what our libraries need in the tree; the programs find it below qemu's -L at run time.
set(CMAKE_EXE_LINKER_FLAGS_INIT -Wl,-rpath-link,${arm64_root}/usr/lib/aarch64-linux-gnu)
set(CMAKE_SHARED_LINKER_FLAGS_INIT -Wl,-rpath-link,${arm64_root}/usr/lib/aarch64-linux-gnu)
set(CMAKE_SKIP_RPATH ON)

# Without SVE: its length is not fixed, and the products are built for NEON alone.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64;-cpu;max,sve=off;-L;${arm64_root})
