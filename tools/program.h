// From the arguments of the process to its exit code.
#ifndef QUANTPRESS_TOOLS_PROGRAM_H_
#define QUANTPRESS_TOOLS_PROGRAM_H_

#include <string>
#include <vector>

namespace quantpress::tools {

// `words`: the name the program was called by, and its arguments. Exit codes: 0 success, 1 error, 2 wrong command line,
// 128 + n cancelled by signal n. An exception of the standard library is an error, printed as the other messages are.
int RunProgram(const std::vector<std::string>& words);

}  // namespace quantpress::tools

#endif  // QUANTPRESS_TOOLS_PROGRAM_H_
