#include <exception>
#include <new>
#include <string>
#include <vector>

#include "tools/program.h"
#include "tools/terminal/messages.h"
#include "tools/terminal/standard_streams.h"

int main(int argc, char** argv) {
  using quantpress::tools::Messages;
  quantpress::tools::PrepareStandardStreams();
  try {
    return quantpress::tools::RunProgram(std::vector<std::string>(argv, argv + argc));
  } catch (const std::bad_alloc&) {
    quantpress::tools::WriteStandardError("quantpress: error: out of memory\n");
  } catch (const std::exception& error) {
    Messages().Error(error.what());
  }
  return 1;
}
