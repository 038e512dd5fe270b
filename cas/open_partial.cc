// Opening, creating and discarding the directory of a partial, while others do the same.
//
// A directory appears under its name complete, by rename from tmp/. It goes in the order data,
// table, directory: one without a table is garbage. Whoever opens one locks its table as a holder
// first. Without its data it is being removed, and the next look finds what came instead.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "cas/deliveries.h"
#include "cas/layout.h"
#include "cas/partial_file.h"
#include "cas/published_partial.h"
#include "cas/read_file.h"
#include "cas/stoppable_wait.h"
#include "cas/table_file.h"

namespace castool::cas {
namespace {

// nullopt in place of a value: the directory changed under us, look again.
using Attempt = base::Result<std::optional<PartialFile::Parts>>;

Attempt look_again() { return std::optional<PartialFile::Parts>(); }

class Opening {
 public:
  Opening(Store& store, const PartialKey& key, Preallocate preallocate)
      : store_(store),
        files_(store.files()),
        key_(key),
        preallocate_(preallocate),
        path_(partial_dir(key.digest, key.origin)) {}

  [[nodiscard]] Attempt open();
  [[nodiscard]] base::Status create();

 private:
  [[nodiscard]] Attempt open_parts(base::UniqueFd directory);
  [[nodiscard]] base::Status fill(const std::string& tmp);
  [[nodiscard]] base::Result<bool> fits(const TableFile& table) const;
  void discard(int directory);

  Store& store_;
  base::FileOps& files_;
  const PartialKey& key_;
  const Preallocate preallocate_;
  const std::string path_;
};

Attempt Opening::open() {
  CASTOOL_ASSIGN(auto directory, open_for_reading(store_.dir(), path_, O_DIRECTORY));
  if (!directory) {
    CASTOOL_RETURN_IF_ERROR(create());
    CASTOOL_ASSIGN(directory, open_for_reading(store_.dir(), path_, O_DIRECTORY));
    if (!directory) return look_again();
  }
  return open_parts(*std::move(directory));
}

Attempt Opening::open_parts(base::UniqueFd directory) {
  auto opened = files_.open(directory.get(), kTableFile, O_RDWR);
  if (!opened) {
    if (opened.error().sys_errno != ENOENT) return base::failure(opened);
    discard(directory.get());
    return look_again();
  }
  TableFile table(*std::move(opened), files_);
  CASTOOL_ASSIGN(const bool holder, table.lock_as_holder(LockKind::kShared));
  if (!holder) return look_again();

  CASTOOL_ASSIGN(auto data, open_for_reading(directory.get(), kDataFile));
  CASTOOL_ASSIGN(const bool ours, fits(table));
  if (data && ours) {
    CASTOOL_RETURN_IF_ERROR(table.announce_pid(::getpid()));
    return std::optional(
        PartialFile::Parts{std::move(directory), std::move(table).release(), *std::move(data)});
  }
  CASTOOL_ASSIGN(const bool alone, table.lock_as_holder(LockKind::kExclusive));
  if (alone && table.linked()) discard(directory.get());
  return look_again();
}

base::Result<bool> Opening::fits(const TableFile& table) const {
  CASTOOL_ASSIGN(const auto header, table.read_header());
  return header && *header == TableHeader{key_.digest, key_.size, key_.origin};
}

// Errors show up when the directory is made anew.
void Opening::discard(int directory) {
  (void)files_.unlink(directory, kDataFile);
  (void)files_.unlink(directory, kTableFile);
  (void)files_.remove_dir(store_.dir(), path_);
}

base::Status Opening::create() {
  const std::string tmp = unique_tmp_path();
  CASTOOL_RETURN_IF_ERROR(files_.make_dir(store_.dir(), tmp, kDirectoryMode));
  base::Status status = fill(tmp);
  if (status) return status;
  (void)files_.unlink(store_.dir(), tmp + "/" + kDataFile);
  (void)files_.unlink(store_.dir(), tmp + "/" + kTableFile);
  (void)files_.remove_dir(store_.dir(), tmp);
  if (status.error().sys_errno == EEXIST || status.error().sys_errno == ENOTEMPTY) {
    return base::ok();  // another process was faster
  }
  return status;
}

base::Status Opening::fill(const std::string& tmp) {
  const int flags = O_RDWR | O_CREAT | O_EXCL;
  // The table first and locked, so that nobody takes the directory for a leftover.
  CASTOOL_ASSIGN(TableFile table,
                 files_.open(store_.dir(), tmp + "/" + kTableFile, flags, kWorkMode)
                     .map([&](base::UniqueFd fd) { return TableFile(std::move(fd), files_); }));
  CASTOOL_RETURN_IF_ERROR(table.lock_as_holder(LockKind::kShared));
  CASTOOL_RETURN_IF_ERROR(
      files_.write_at(table.fd(), 0, encode_header({key_.digest, key_.size, key_.origin})));
  CASTOOL_RETURN_IF_ERROR(table.write_epoch({current_boot_id(), EpochState::kDirty}));
  CASTOOL_ASSIGN(const base::UniqueFd data,
                 files_.open(store_.dir(), tmp + "/" + kDataFile, flags, kWorkMode));
  if (preallocate_ == Preallocate::kYes) {
    const base::Status reserved = files_.allocate(data.get(), key_.size);
    if (!reserved) return explain_no_space(reserved.error(), store_, key_.size);
  } else {
    CASTOOL_RETURN_IF_ERROR(files_.truncate(data.get(), key_.size));
  }
  return files_.rename(store_.dir(), tmp, store_.dir(), path_, base::IfExists::kFail);
}

}  // namespace

base::Result<std::unique_ptr<Partial>> Store::open_partial(const PartialKey& key,
                                                           Preallocate preallocate,
                                                           const std::stop_token& stop) {
  CASTOOL_RETURN_IF_ERROR(require_writable());
  if (key.origin.size() > kMaxOrigin) {
    return base::make_error(base::Code::kUsage, "the address of the origin is too long");
  }
  constexpr auto kPause = std::chrono::milliseconds(2);
  const auto deadline = clock().now() + clock().scaled(std::chrono::seconds(10));
  Opening opening(*this, key, preallocate);
  while (true) {
    CASTOOL_ASSIGN(auto blob, find(key.digest));
    if (blob && !may_attach(*this, key.origin, key.digest)) blob.reset();
    if (blob && blob->size != key.size) {
      return base::make_error(base::Code::kDigestMismatch,
                              key.digest.text() + " has " + std::to_string(blob->size) +
                                  " bytes, not " + std::to_string(key.size));
    }
    if (blob) {
      return std::unique_ptr<Partial>(std::make_unique<PublishedPartial>(key, *std::move(blob)));
    }
    CASTOOL_ASSIGN(auto parts, opening.open());
    if (parts) {
      auto partial = std::make_unique<PartialFile>(*this, key, preallocate, *std::move(parts));
      CASTOOL_RETURN_IF_ERROR(partial->load());
      return std::unique_ptr<Partial>(std::move(partial));
    }
    if (clock().now() >= deadline) {
      return base::make_error(base::Code::kBusy,
                              "unfinished " + key.digest.text() + " is held by another process");
    }
    if (!pause_unless_stopped(kPause, stop)) {
      return base::make_error(base::Code::kCancelled, "interrupted", "what was fetched is kept");
    }
  }
}

}  // namespace castool::cas
