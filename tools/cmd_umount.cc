#include "fusefs/mount.h"
#include "tools/commands.h"

namespace castool::tools {

int run_umount(const UmountArguments& arguments, CommandContext& context) {
  const auto detach = arguments.lazy ? fusefs::Detach::kLazy : fusefs::Detach::kWhenIdle;
  return finish(context, "umount " + arguments.directory,
                fusefs::unmount(absolute_path(arguments.directory), detach));
}

}  // namespace castool::tools
