// Runs a program with a given environment and takes down what it says.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace castool::test {

struct Ended {
  int status = -1;  // exit status, or 128 + signal
  std::string out;
  std::string error;
};

// Runs castool. `environment` is all there is of it. `out_path`: where standard output goes in
// place of being taken down.
[[nodiscard]] Ended run_castool(const std::vector<std::string>& arguments,
                                const std::vector<std::string>& environment = {},
                                const std::string& out_path = {});

// Runs `body` in a forked child and takes down what it writes; its result is the exit status.
[[nodiscard]] Ended run_forked(const std::function<int()>& body);

}  // namespace castool::test
