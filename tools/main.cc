#include <exception>
#include <string>
#include <vector>

#include "tools/program.h"
#include "tools/terminal/standard_streams.h"

int main(int argc, char** argv) {
  quantpress::tools::PrepareStandardStreams();
  try {
    return quantpress::tools::RunProgram(std::vector<std::string>(argv, argv + argc));
  } catch (const std::exception&) {  // there is not even memory for the arguments or for the last message
    quantpress::tools::WriteStandardError("quantpress: error: out of memory\n");
  }
  return 1;
}
