#include "fusefs/fuse_control.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace castool::fusefs {
namespace {

constexpr const char* kMounted = "/sys/fs/fuse/connections";

// The kernel has one instance of this file system, so it need not be mounted to be looked into.
base::UniqueFd open_detached() {
  const base::UniqueFd context(::fsopen("fusectl", FSOPEN_CLOEXEC));
  if (!context || ::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
    return {};
  return base::UniqueFd(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
}

base::UniqueFd open_connection(int connections, dev_t device) {
  // The mount's own number: its device's major number is 0.
  return base::UniqueFd(::openat(connections, fmt::format("{}", minor(device)).c_str(),
                                 O_DIRECTORY | O_RDONLY | O_CLOEXEC));
}

base::Result<std::uint32_t> read_number(int directory, const char* name) {
  const base::UniqueFd file(::openat(directory, name, O_RDONLY | O_CLOEXEC));
  std::array<char, 32> text{};
  const ssize_t got = file ? ::read(file.get(), text.data(), text.size()) : -1;
  if (got < 0) return base::errno_error(errno, name);
  std::uint32_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + got, value);
  if (parsed.ec != std::errc()) return base::make_error(base::Code::kInternal, "not a number");
  return value;
}

}  // namespace

base::Result<FuseControl> FuseControl::open(dev_t device) {
  const base::UniqueFd mounted(::open(kMounted, O_DIRECTORY | O_RDONLY | O_CLOEXEC));
  base::UniqueFd directory = mounted ? open_connection(mounted.get(), device) : base::UniqueFd();
  if (!directory) {
    const base::UniqueFd detached = open_detached();
    if (detached) directory = open_connection(detached.get(), device);
  }
  if (!directory) return base::make_error(base::Code::kUnsupported, "there is no fusectl");
  base::UniqueFd abort(::openat(directory.get(), "abort", O_WRONLY | O_CLOEXEC));
  if (!abort) return base::errno_error(errno, "fusectl");
  return FuseControl(std::move(directory), std::move(abort));
}

void FuseControl::abort() const {
  // A connection that has ended already refuses, and there is nobody to tell.
  static_cast<void>(::write(abort_.get(), "1", 1) == 1);
}

base::Result<std::uint32_t> FuseControl::max_background() const {
  return read_number(directory_.get(), "max_background");
}

std::uint32_t unprivileged_max_background() {
  constexpr std::uint32_t kLeast = 12;  // the kernel's default for a mount that asks for nothing
  const base::UniqueFd parameters(
      ::open("/sys/module/fuse/parameters", O_DIRECTORY | O_RDONLY | O_CLOEXEC));
  if (!parameters) return kLeast;
  return read_number(parameters.get(), "max_user_bgreq").value_or(kLeast);
}

}  // namespace castool::fusefs
