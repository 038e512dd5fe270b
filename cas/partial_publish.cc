// From a complete partial to a blob.
#include <algorithm>
#include <cerrno>

#include "cas/deliveries.h"
#include "cas/layout.h"
#include "cas/partial_file.h"
#include "cas/publish.h"
#include "cas/read_file.h"
#include "cas/stamp.h"
#include "cas/stoppable_wait.h"
#include "cas/sums.h"

namespace castool::cas {
namespace {

base::Error mismatch(const PartialKey& key, const base::Digest& computed) {
  base::Error error = base::make_error(
      base::Code::kDigestMismatch,
      "the bytes received hash to " + computed.text() + ", not to " + key.digest.text());
  error.digest = key.digest.text();
  return error;
}

}  // namespace

base::Status PartialFile::publish(const base::Digest& computed, const std::stop_token& stop) {
  if (computed != key_.digest) return mismatch(key_, computed);
  CASTOOL_ASSIGN(auto hold, wait_to_publish(stop));
  if (!hold) {
    // Another process gave it its name; it may not have come to making that durable.
    return files_.sync_dir(store_.dir(), blob_dir(key_.digest));
  }
  base::Status status = publish_held();
  if (status) {
    published_ = true;
    hold.reset();
    const base::MutexLock lock(mutex_);
    write_fd_ = -1;
    writing_.reset();  // no descriptor that could write a published blob
  }
  return status;
}

// A hold of all chunks of a complete table; nullopt when it was published meanwhile.
base::Result<std::optional<ChunkHold>> PartialFile::wait_to_publish(const std::stop_token& stop) {
  constexpr auto kPause = std::chrono::milliseconds(5);
  // Long enough for another publisher's fsync of a whole blob on a slow disk.
  const auto deadline = store_.clock().now() + store_.clock().scaled(std::chrono::minutes(5));
  while (true) {
    CASTOOL_ASSIGN(auto hold, hold_all());
    // What is seen under the hold stays so: nobody else can change it.
    CASTOOL_RETURN_IF_ERROR(refresh());
    if (published_) return std::optional<ChunkHold>();
    if (!complete()) {
      return base::make_error(
          base::Code::kBusy, key_.digest.text() + " is not complete: chunks were dropped meanwhile",
          "run it again");
    }
    if (hold) return hold;
    if (store_.clock().now() >= deadline) {
      return base::make_error(base::Code::kBusy,
                              key_.digest.text() + ": its chunks stay claimed by somebody else");
    }
    if (!pause_unless_stopped(kPause, stop)) {
      return base::make_error(base::Code::kCancelled, "interrupted", "what was fetched is kept");
    }
  }
}

base::Status PartialFile::publish_held() {
  if (generation() != opened_generation_) CASTOOL_RETURN_IF_ERROR(hash_again());
  if (write_fd_ < 0) CASTOOL_RETURN_IF_ERROR(open_for_writing());
  CASTOOL_RETURN_IF_ERROR(sync_for_good());
  // Before the blob is there, so that whoever shares this partial finds both; and once more, since
  // gc takes what belongs to no blob.
  leave_delivery();
  CASTOOL_RETURN_IF_ERROR(place_data());
  leave_delivery();
  leave_sidecar();
  remove_directory();
  return base::ok();
}

// The fsync that decides. It is done without the background thread: a writeback error is told to
// one of several syncs of a descriptor only, and it must not be the other one.
base::Status PartialFile::sync_for_good() {
  background_.stop();
  base::Status status = failure_so_far();
  if (status) status = files_.sync(write_fd_);
  if (!status) {
    remember_failure(status.error());
    for (const Unsynced& one : unsynced_chunks()) (void)drop_held(one.chunk);
  }
  return status;
}

base::Status PartialFile::place_data() {
  CASTOOL_RETURN_IF_ERROR(files_.chmod(write_fd_, kBlobMode));
  const auto placed = place_blob(files_, store_.dir(), directory_.get(), kDataFile, key_.digest);
  if (!placed) return base::failure(placed);
  if (*placed == Placed::kAlreadyThere) (void)files_.unlink(directory_.get(), kDataFile);
  return base::ok();
}

void PartialFile::leave_delivery() {
  const base::Status noted = note_delivery(store_, key_.origin, key_.digest);
  if (!noted) store_.log().debug("no note of a delivery: {}", noted.error().text());
}

base::Status PartialFile::hash_again() const {
  base::Sha256 hasher;
  std::vector<std::byte> buffer(256 << 10);
  for (std::uint64_t offset = 0; offset < key_.size;) {
    const auto want = std::min<std::uint64_t>(buffer.size(), key_.size - offset);
    CASTOOL_ASSIGN(const std::size_t got,
                   read_at(data_.get(), offset, std::span(buffer).first(want)));
    if (got == 0) break;
    hasher.update(std::span(buffer).first(got));
    offset += got;
  }
  const base::Digest computed = hasher.finish();
  if (computed != key_.digest) return mismatch(key_, computed);
  return base::ok();
}

void PartialFile::leave_sidecar() {
  std::vector<std::uint64_t> sums;
  {
    const base::MutexLock lock(mutex_);
    for (std::uint64_t chunk = 0; chunk < map_.count(); ++chunk) {
      sums.push_back(map_.record(chunk).xxh3);
    }
  }
  const base::Status status = write_sums(files_, store_.dir(), key_.digest, key_.size, sums);
  // The blob is stored; without its sidecar it is only checked more slowly.
  if (!status)
    store_.log().warn("no checksums for {}: {}", key_.digest.text(), status.error().text());
  // The bytes were hashed a moment ago; without a stamp they are only compared again on first use.
  const base::Status stamped = write_stamp(files_, store_.dir(), key_.digest, data_.get());
  if (!stamped) store_.log().debug("no stamp: {}", stamped.error().text());
}

void PartialFile::remove_directory() {
  (void)files_.unlink(directory_.get(), kTableFile);
  const base::Status removed = files_.remove_dir(store_.dir(), path_);
  if (!removed && removed.error().sys_errno != ENOENT) {
    store_.log().debug("{} stays behind: {}", path_, removed.error().text());
  }
}

}  // namespace castool::cas
