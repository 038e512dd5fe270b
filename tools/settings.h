// Everything a run depends on, from options first and the environment second.
//
// The environment comes in as a map, so that this is a pure function; only main() reads the
// process's. Secrets are not here: credentials.h loads them when a command needs one.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "pull/puller.h"
#include "tools/arguments.h"

namespace castool::tools {

using Variables = std::map<std::string, std::string>;

// The variables of a process, as environ(7) has them.
[[nodiscard]] Variables read_variables(const char* const* environment);
// The value of a variable; an empty one counts as not set.
[[nodiscard]] std::string variable(const Variables& variables, const std::string& name);

enum class User { kRoot, kOther };

struct Settings {
  std::string store;
  std::string ns;
  std::string socket;  // of the server to speak to in place of the store; empty: none
  std::chrono::nanoseconds timeout = std::chrono::minutes(5);
  double time_scale = 1.0;
  bool json = false;
  bool quiet = false;
  int verbose = 0;
  bool progress = true;
  std::string ca_file, ca_directory;
};

// kUsage for a value that cannot be meant: a bad namespace, a time scale that is no positive
// number, no home to put a store in.
[[nodiscard]] base::Result<Settings> read_settings(const GlobalArguments& arguments,
                                                   const Variables& variables, User user);

// Where the origins are. hub_token is left empty; kUsage for an address that is none.
[[nodiscard]] base::Result<pull::Origins> read_origins(const Variables& variables);

// An endpoint as the Hub's clients accept it: "https://" is added when there is no scheme, slashes
// at the end go. kUsage for other schemes and for an address without a host; `name` is the
// variable's.
[[nodiscard]] base::Result<std::string> parse_endpoint(std::string_view name,
                                                       std::string_view text);

// 1, ON, YES and TRUE in any case, as the Hub's clients read their switches.
[[nodiscard]] bool is_switched_on(std::string_view value);

}  // namespace castool::tools
