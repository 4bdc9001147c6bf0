# Tests that are written in Python.
#
#   quantpress_python_test(name label script [arguments...] [ENVIRONMENT NAME=value...] [TIMEOUT seconds])
#
# `script` is relative to tests/. A script ends with status 77 when something that it needs (a module, a folder of models)
# is not there: CTest then shows the test as skipped.
if(EXISTS ${PROJECT_SOURCE_DIR}/.venv/bin/python)
  set(default_python ${PROJECT_SOURCE_DIR}/.venv/bin/python)
else()
  set(default_python python3)
endif()
set(QUANTPRESS_PYTHON ${default_python} CACHE STRING "Python for the tests; scripts/setup makes .venv")

# The program as tests start it: when cross-compiling, a script that runs it in the emulator under the name it was called by.
set(QUANTPRESS_TEST_BINARY $<TARGET_FILE:quantpress_cli>)
if(CMAKE_CROSSCOMPILING_EMULATOR)
  list(POP_FRONT CMAKE_CROSSCOMPILING_EMULATOR emulator)
  list(JOIN CMAKE_CROSSCOMPILING_EMULATOR " " emulator_options)
  list(PREPEND CMAKE_CROSSCOMPILING_EMULATOR ${emulator})
  set(QUANTPRESS_TEST_BINARY ${PROJECT_BINARY_DIR}/emulated/quantpress)
  file(GENERATE OUTPUT ${QUANTPRESS_TEST_BINARY}
       CONTENT "#!/bin/sh\nexec ${emulator} -0 \"$0\" ${emulator_options} $<TARGET_FILE:quantpress_cli> \"$@\"\n"
       FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
endif()

function(quantpress_python_test name label script)
  cmake_parse_arguments(PARSE_ARGV 3 arg "" "TIMEOUT" "ENVIRONMENT")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 600)
  endif()
  add_test(NAME ${name} COMMAND ${QUANTPRESS_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/${script} ${arg_UNPARSED_ARGUMENTS}
           COMMAND_EXPAND_LISTS)
  set_tests_properties(${name} PROPERTIES
    LABELS "${label}" TIMEOUT ${arg_TIMEOUT} SKIP_RETURN_CODE 77 ENVIRONMENT_MODIFICATION "${sanitizer_options}"
    ENVIRONMENT "PYTHONDONTWRITEBYTECODE=1;QUANTPRESS_BINARY=${QUANTPRESS_TEST_BINARY};${arg_ENVIRONMENT}")
endfunction()

quantpress_python_test(policy fast policy/test_tree.py)
if(NOT QUANTPRESS_SANITIZE)  # sanitizers add symbols of their own
  quantpress_python_test(kernel_symbols fast policy/test_kernel_symbols.py ${CMAKE_NM} ${CMAKE_OBJDUMP}
                         $<TARGET_OBJECTS:quantpress_kernels>)
endif()
quantpress_python_test(golden fast golden/test_golden.py)
quantpress_python_test(interop_bundled fast interop/run.py test_bundled.py)
quantpress_python_test(interop_ops slow interop/run.py ops)
quantpress_python_test(interop_zoo slow interop/run.py test_zoo.py TIMEOUT 1200)
quantpress_python_test(interop_weights slow interop/run.py test_weights.py)
quantpress_python_test(interop_recipes slow interop/run.py test_recipes.py)
quantpress_python_test(interop_json slow interop/run.py test_json.py)
quantpress_python_test(interop_verify slow interop/run.py test_verify.py)
quantpress_python_test(interop_options slow interop/run.py test_options.py)
quantpress_python_test(interop_int8 slow interop/run.py test_int8.py)
quantpress_python_test(interop_sparse slow interop/run.py test_sparse.py)

if(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
  set(package_arguments arm64)
else()
  set(package_arguments amd64)
endif()
if(CMAKE_CROSSCOMPILING_EMULATOR)
  list(APPEND package_arguments --toolchain ${CMAKE_TOOLCHAIN_FILE} --emulator ${CMAKE_CROSSCOMPILING_EMULATOR})
endif()
quantpress_python_test(install "slow;package" install/test_install.py ${PROJECT_BINARY_DIR} ${package_arguments})
quantpress_python_test(report_page slow report/test_page.py)
quantpress_python_test(cli fast cli/run.py)
quantpress_python_test(cli_session fast cli/test_session.py)
quantpress_python_test(cli_process slow cli/test_process.py TIMEOUT 1200)
quantpress_python_test(cli_batch slow cli/test_batch.py TIMEOUT 1200)
quantpress_python_test(cli_same_bytes slow cli/test_same_bytes.py TIMEOUT 1200)
quantpress_python_test(slurm slow slurm/run.py TIMEOUT 500)
quantpress_python_test(onnx_backend slow onnx_backend/run.py TIMEOUT 1500)
quantpress_python_test(exporters slow exporters/start.py TIMEOUT 14400)
quantpress_python_test(operators_doc slow ../scripts/operators_doc.py --check)
