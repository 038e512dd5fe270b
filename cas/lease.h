// Blobs that running work needs although no ref names them yet: gc spares them.
//
//   lease = leases/<32 random hex digits>: any number of 32-byte digests; zeros mean nothing
//
// Counts while its owner holds an exclusive OFD lock on its first byte, so it ends with the
// process; what a dead one left is removed by the next gc. Not synced: after a power cut nobody is
// running. A digest is written before the store is asked whether it has that blob, and what is
// published by way of the same Store value (Ingest) is added by itself before it gets its name.
//
//   lease written -> blobs looked for, published -> ref durable -> lease dropped
//
// gc reads leases before refs, and neither lets leases be added to while it sweeps: whatever it
// does not see there was not relied on yet.
//
// Safe from any thread. The Store outlives it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "cas/store.h"

namespace castool::cas {

class Lease {
 public:
  // Waits for a gc that sweeps. kCancelled, kBusy (gc_locks.h).
  [[nodiscard]] static base::Result<std::shared_ptr<Lease>> take(Store& store,
                                                                 std::stop_token stop);
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  // When this returns no gc removes these blobs, if they are there.
  [[nodiscard]] base::Status add(std::span<const base::Digest> digests, std::stop_token stop);

 private:
  Lease(Store& store, std::string path, base::UniqueFd fd);

  Store& store_;
  const std::string path_;
  const base::UniqueFd fd_;  // holds the lock
  std::atomic<std::uint64_t> end_{0};
};

// What all running work leases, for gc, which excludes writers meanwhile. With `clean` what dead
// processes left is removed.
enum class Clean { kNo, kYes };
[[nodiscard]] base::Result<std::vector<base::Digest>> leased_digests(const Store& store,
                                                                     Clean clean);

}  // namespace castool::cas
