// What is mounted where, from /proc/self/mountinfo (proc_pid_mountinfo(5)). Asking the table, not
// the file system, works on a mount whose daemon is dead. Safe from any thread.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace castool::fusefs {

struct MountEntry {
  dev_t device = 0;
  std::string mount_point;
  std::string type;    // "fuse.castool"
  std::string source;  // what mount(8) shows as device
};

// Lines that do not follow the format are skipped; "\040" and its like are decoded.
[[nodiscard]] std::vector<MountEntry> parse_mountinfo(std::string_view text);
// The mount on top at exactly this path.
[[nodiscard]] std::optional<MountEntry> mount_at(const std::vector<MountEntry>& table,
                                                 std::string_view path);
[[nodiscard]] base::Result<std::optional<MountEntry>> current_mount_at(const std::string& path);

// An absolute path without links, "." and ".."; the last part is taken as it is where a dead mount
// cannot be looked at.
[[nodiscard]] base::Result<std::string> canonical_path(const std::string& path);
// Whether `path` is `directory` or below it; both canonical.
[[nodiscard]] bool is_inside(std::string_view path, std::string_view directory);

}  // namespace castool::fusefs
