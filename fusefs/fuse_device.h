// The two ways to a FUSE mount and away from it: mount(2) with privilege, fusermount3 without.
// Neither uses a shell; both report what failed as an error, not on standard error.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "fusefs/mount.h"

namespace castool::fusefs {

struct DeviceOptions {
  std::string directory;  // canonical
  std::string source_name;
  bool allow_other = false;
};

// Mounts type fuse.castool, nosuid, nodev, default_permissions, read-write (writes are refused by
// the file system, so that a reader may open what it never writes). Gives the connection,
// /dev/fuse. kUnsupported when there is no /dev/fuse or no way to mount.
[[nodiscard]] base::Result<base::UniqueFd> mount_device(const DeviceOptions& options);

// kBusy when files are open and the mount is not to be detached lazily.
[[nodiscard]] base::Status unmount_device(const std::string& directory, Detach detach);

}  // namespace castool::fusefs
