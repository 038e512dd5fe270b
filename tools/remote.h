// Commands that a server does for us: castool --socket, CASTOOL_SOCKET.
//
// pull goes through its API, ls, show, rm, cp, pin, unpin and set through /castool/run. What a
// command prints and its exit status are those of the same command on the store.
#pragma once

#include "tools/arguments.h"
#include "tools/command_context.h"

namespace castool::tools {

// False for mount, umount and serve, and for what works on a repository's files: --socket does not
// concern them.
[[nodiscard]] bool speaks_to_servers(const CommandArguments& arguments);
// kUsage for a command or an option that a server does not take.
[[nodiscard]] int run_remotely(const Invocation& invocation, CommandContext& context);

}  // namespace castool::tools
