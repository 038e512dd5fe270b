// Files that the kernel reads by itself for the mount (FUSE passthrough, Linux 6.9): at the speed
// of the file system below and with one copy in memory, also after the daemon has died.
//
// The rules that decide the shape of this (fs/fuse/iomode.c, fs/fuse/backing.c):
//   - a node is open either through the page cache or natively, never both at once, and all native
//     opens of a node name the same registration: so one a blob, counted;
//   - the kernel opens the file below with the reader's flags: so only reading opens come here, and
//     the files are taken through a read-only clone of the store's mount, where no flag can write;
//   - holes read as zeros and nothing is checked: so only verified blobs.
//
// Thread rule: safe from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>

#include "base/digest.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "cas/store.h"

namespace castool::fusefs {

class NativeFiles {
 public:
  virtual ~NativeFiles() = default;
  [[nodiscard]] virtual bool available() const = 0;
  // Registers the blob that is open at `fd`, or counts one more user of its registration. The value
  // is the kernel's number for it. Each success is released once.
  [[nodiscard]] virtual base::Result<std::int32_t> acquire(const base::Digest& digest, int fd) = 0;
  virtual void release(const base::Digest& digest) = 0;
  // Counts one user of a registration that another process made on this connection.
  virtual void adopt(const base::Digest& digest, std::int32_t id) = 0;
};

// How many file systems may lie on top of each other below the mount, as INIT has to say: 1, or 2
// for a store on an overlay (then nothing can be stacked on the mount in turn).
[[nodiscard]] std::uint32_t stack_depth_for(const cas::Store& store);

// The kernel's side of it. Needs CAP_SYS_ADMIN.
class KernelFiles final : public NativeFiles {
 public:
  // `device` is a descriptor of the mount's connection; it keeps the connection open.
  KernelFiles(base::UniqueFd device, const cas::Store& store, base::Log& log);
  ~KernelFiles() override;

  // Tries it with a file of the store, once the mount has answered; from then on available() is
  // what came out. Says in the log why not.
  void probe();

  [[nodiscard]] bool available() const override { return available_; }
  base::Result<std::int32_t> acquire(const base::Digest& digest, int fd) override;
  void release(const base::Digest& digest) override;
  void adopt(const base::Digest& digest, std::int32_t id) override;
  // Another descriptor of the connection.
  [[nodiscard]] base::UniqueFd connection() const;
  // What is registered stays so: it is another process's from now on.
  void leave_to_another();

 private:
  struct Registered {
    std::int32_t id = 0;
    std::uint64_t users = 0;
  };

  [[nodiscard]] base::Result<base::UniqueFd> open_clone(const base::Digest& digest, int fd) const;
  [[nodiscard]] base::Result<std::int32_t> enter(int fd) const;
  void leave(std::int32_t id) const;

  const base::UniqueFd device_;
  const cas::Store& store_;
  base::Log& log_;
  base::UniqueFd blobs_;  // blobs/sha256 in a read-only mount of our own, which nobody else sees
  std::atomic<bool> available_{false};
  base::Mutex mutex_;
  std::map<base::Digest, Registered> registered_ CASTOOL_GUARDED_BY(mutex_);
};

}  // namespace castool::fusefs
