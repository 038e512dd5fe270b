// A partial that is still a directory below partials/: the implementation of Partial.
//
// Invariants
//   1. A chunk's bytes and record are written only under a ChunkHold of it, which excludes all
//   other
//      processes (OFD lock) and all other threads here (ChunkMap).
//   2. A record is written after its bytes, and says which bytes (XXH3).
//   3. Publishing holds every chunk until the name exists, and nobody writes once it does.
#pragma once

#include <atomic>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "cas/background_sync.h"
#include "cas/chunk_map.h"
#include "cas/partial.h"
#include "cas/store.h"
#include "cas/table_file.h"

namespace castool::cas {

class PartialFile;

// The right to write a run of chunks and their records. One thread at a time.
class ChunkHold {
 public:
  ChunkHold(PartialFile& partial, const ChunkRun& run) : partial_(&partial), run_(run) {}
  ~ChunkHold() { keep({run_.end(), 0}); }
  ChunkHold(ChunkHold&& other) noexcept
      : partial_(other.partial_), run_(std::exchange(other.run_, {})) {}
  ChunkHold& operator=(ChunkHold&&) = delete;

  [[nodiscard]] const ChunkRun& run() const { return run_; }
  // Gives back everything that is not in `part`, which lies inside run().
  void keep(const ChunkRun& part);

 private:
  PartialFile* partial_;
  ChunkRun run_;
};

class PartialFile final : public Partial {
 public:
  struct Parts {
    base::UniqueFd directory;
    base::UniqueFd table;  // O_RDWR, locked as a holder
    base::UniqueFd data;   // O_RDONLY
  };

  PartialFile(Store& store, PartialKey key, Preallocate preallocate, Parts parts);
  ~PartialFile() override;

  // Reads the table and, after another boot or a cut file, checks what it says. Called once, first.
  [[nodiscard]] base::Status load();

  [[nodiscard]] const PartialKey& key() const override { return key_; }
  [[nodiscard]] std::uint64_t chunk_count() const override;
  [[nodiscard]] base::Result<std::unique_ptr<ChunkWriter>> claim(
      std::uint64_t from, std::uint64_t max_bytes, const base::ByteRange& within) override;
  void want(const base::ByteRange& range) override;
  void unwant(const base::ByteRange& range) override;
  [[nodiscard]] base::Result<std::uint64_t> refresh() override;
  [[nodiscard]] std::uint64_t bytes_present() const override;
  [[nodiscard]] std::uint64_t contiguous_prefix() const override;
  [[nodiscard]] bool present(const base::ByteRange& range) const override;
  [[nodiscard]] bool complete() const override;
  [[nodiscard]] std::optional<std::vector<std::uint64_t>> checksums(
      const base::ByteRange& range) const override;
  [[nodiscard]] bool published() const override { return published_; }
  [[nodiscard]] std::uint64_t generation() const override;
  [[nodiscard]] int data_fd() const override { return data_.get(); }
  [[nodiscard]] base::Status invalidate(const base::ByteRange& range) override;
  [[nodiscard]] base::Result<std::vector<base::ByteRange>> recheck() override;
  [[nodiscard]] base::Result<std::optional<base::UniqueFd>> try_lead() override;
  [[nodiscard]] base::Status publish(const base::Digest& computed,
                                     const std::stop_token& stop) override;

  // For the ChunkWriter, under its hold:
  // Writes bytes of held chunks. The error of an earlier failed sync is returned here, too.
  [[nodiscard]] base::Status write_data(std::uint64_t offset, std::span<const std::byte> bytes);
  [[nodiscard]] base::Status record_chunk(std::uint64_t chunk, std::uint64_t xxh3);
  [[nodiscard]] std::uint64_t chunk_bytes(std::uint64_t chunk) const;
  // The first chunk of `run` that a reader of ours waits for; with kEverybody some chunk of it that
  // anybody waits for.
  enum class Asked { kOurs, kEverybody };
  [[nodiscard]] std::optional<std::uint64_t> wanted_in(const ChunkRun& run, Asked whom) const;
  [[nodiscard]] const base::Clock& clock() const { return store_.clock(); }
  void release(const ChunkRun& run);

 private:
  // Claiming (partial_claim.cc).
  [[nodiscard]] std::optional<ChunkRun> reserve(std::uint64_t from, std::uint64_t end,
                                                std::uint64_t most);
  [[nodiscard]] base::Result<std::uint64_t> lock_front(ChunkHold& hold);
  [[nodiscard]] base::Status keep_missing(ChunkHold& hold);
  [[nodiscard]] base::Result<bool> begin_writing(const ChunkHold& hold);
  [[nodiscard]] base::Status open_for_writing();
  [[nodiscard]] base::Result<std::optional<ChunkHold>> hold_chunk(std::uint64_t chunk);
  [[nodiscard]] base::Result<std::optional<ChunkHold>> hold_all();

  // Checking and dropping (partial_file.cc).
  [[nodiscard]] base::Result<bool> drop_chunk(std::uint64_t chunk);
  [[nodiscard]] base::Result<bool> drop_held(std::uint64_t chunk);
  [[nodiscard]] base::Result<bool> chunk_is_good(std::uint64_t chunk, const ChunkRecord& record);
  [[nodiscard]] base::Result<bool> needs_recheck();
  [[nodiscard]] base::Status merge_records(const ChunkRun& run);
  void look_whether_published();

  // Syncing (partial_sync.cc).
  void sync_in_background();
  [[nodiscard]] base::Status sync_chunks();
  struct Unsynced {
    std::uint64_t chunk;
    ChunkRecord record;
  };
  [[nodiscard]] std::vector<Unsynced> unsynced_chunks() const;
  void remember_failure(const base::Error& error);
  [[nodiscard]] base::Status failure_so_far() const;
  void drop_unsynced(const base::Error& error);
  void close_cleanly();

  // Publishing (partial_publish.cc).
  [[nodiscard]] base::Result<std::optional<ChunkHold>> wait_to_publish(const std::stop_token& stop);
  [[nodiscard]] base::Status publish_held();
  [[nodiscard]] base::Status sync_for_good();
  [[nodiscard]] base::Status place_data();
  [[nodiscard]] base::Status hash_again() const;
  void leave_delivery();
  void leave_sidecar();
  void remove_directory();

  Store& store_;
  base::FileOps& files_;
  const PartialKey key_;
  const Preallocate preallocate_;
  const std::string path_;
  const BootId boot_;
  const base::UniqueFd directory_;
  const TableFile table_;
  const base::UniqueFd data_;
  std::uint64_t opened_generation_ = 0;  // constant after load()

  std::atomic<bool> published_ = false;
  std::atomic<int> write_fd_ = -1;

  mutable base::Mutex mutex_;
  ChunkMap map_ CASTOOL_GUARDED_BY(mutex_);
  std::vector<bool> synced_ CASTOOL_GUARDED_BY(mutex_);        // covered by a sync of ours
  std::set<std::uint64_t> wanted_ CASTOOL_GUARDED_BY(mutex_);  // chunks that readers here wait for
  base::UniqueFd writing_ CASTOOL_GUARDED_BY(mutex_);          // owns write_fd_
  std::optional<base::Error> failed_ CASTOOL_GUARDED_BY(mutex_);

  bool name_synced_ = false;  // of whoever calls sync_chunks(), one after the other
  BackgroundSync background_;
};

}  // namespace castool::cas
