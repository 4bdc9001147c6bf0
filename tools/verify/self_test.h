// A model on the stock runtime, compared with references: the self test of the stock converter.
//
// The runtime is the one of the Python package MNN, run in a process of its own. The package is how most people have
// the runtime; its C++ interface has no stable binary form that a program could load at run time; and a model that ends
// the runtime's process is a failed test then, and not the end of this program.
#ifndef QUANTPRESS_TOOLS_VERIFY_SELF_TEST_H_
#define QUANTPRESS_TOOLS_VERIFY_SELF_TEST_H_

#include <string>
#include <vector>

#include "dispatch/cancellation.h"
#include "dispatch/status.h"

namespace quantpress::tools {

struct SelfTest {
  std::string model;
  std::string folder;  // with input.json
  std::string config;  // empty: none
  std::string python;  // empty: QUANTPRESS_PYTHON, else python3
  double threshold = 0.01;
};

struct OutputCheck {
  std::string name;
  bool skipped = false;         // no reference
  std::string problem;          // why no numbers could be compared
  std::string short_reference;  // says how many numbers it lacks, which count as 0; empty: none
  double largest = 0;           // of the reference, as an absolute value
  double difference = 0;        // largest one
  bool passed = false;
};

// Errors: kNotFound where there is no runtime; files of the test that are wrong; a runtime that ends or refuses the
// model.
StatusOr<std::vector<OutputCheck>> RunSelfTest(const SelfTest& test, const dispatch::CancellationToken& cancellation);

}  // namespace quantpress::tools

#endif  // QUANTPRESS_TOOLS_VERIFY_SELF_TEST_H_
