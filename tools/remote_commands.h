// Commands for `castool --socket`, run by the server: words in, what they print out.
//
//   {"words":["ls","--json"]}  ->  {"status":0,"out":"…","err":"…"}
//
// Only what concerns the names of the server's own namespace: ls, show, rm, cp, pin, unpin and
// set. The client prints what comes back, so that a command says the same with and without a
// server.
#pragma once

#include <string>

#include "tools/command_context.h"

namespace castool::tools {

// Safe from any thread.
[[nodiscard]] std::string run_for_caller(const std::string& body, CommandContext& context);

}  // namespace castool::tools
