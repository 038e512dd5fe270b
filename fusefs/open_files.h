// The files that the kernel has open, by node, and where their bytes come from:
//
//   stored    the blob in the store, or a generated text; each chunk is checked before it goes out
//   native    the same, read by the kernel itself (native_files.h)
//   filling   what the store has not got, or had and it has rotted: from a BlobFiller, read by read
//
// Which of them it is is decided at the first open of a node and holds until its last release, but
// that a stored blob that turns out rotten goes on as a filling one. One that arrives and is
// verified while it is open stays filling: look-ups then give another node.
//
// A wrong byte that a filling file gave out poisons its node (known_nodes.h): reads that wait are
// answered with EIO, then the kernel is made to drop the pages, then nothing but EIO follows.
//
// Thread rule: safe from any thread; nothing here waits for the network. Callbacks are called
// without a lock held, from within the call or from a thread of the filler's or the page dropper's.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/log.h"
#include "base/mutex.h"
#include "fusefs/answer.h"
#include "fusefs/blob_filler.h"
#include "fusefs/blob_opener.h"
#include "fusefs/filling_file.h"
#include "fusefs/gate.h"
#include "fusefs/handover_state.h"
#include "fusefs/known_nodes.h"
#include "fusefs/native_files.h"
#include "fusefs/open_counts.h"
#include "fusefs/open_file.h"
#include "fusefs/page_dropper.h"
#include "fusefs/pending_reads.h"
#include "fusefs/side_threads.h"
#include "fusefs/slice.h"
#include "fusefs/use_notes.h"

namespace castool::fusefs {

// How a file was opened: by the page cache, or natively under the kernel's number for the blob.
struct OpenedFile {
  std::optional<std::int32_t> native;
};

// Bytes that are not there yet.
struct Later {
  std::shared_ptr<FillingFile> file;
  base::ByteRange range;
};

// What the open files are made from; all of it outlives them.
struct FileParts {
  BlobOpener& blobs;
  NativeFiles* native = nullptr;  // null: everything is read through the daemon
  BlobFiller* filler = nullptr;   // null: what the store lacks is EIO
  PageDropper* pages = nullptr;   // has to be there with a filler
  SideThreads* side = nullptr;    // where filling files are opened; null: in place
  UseNotes* uses = nullptr;       // told which models are read; may be null
  OpenCounts* counts = nullptr;   // may be null
};

class OpenFiles {
 public:
  using OpenDone = std::function<void(Answer<OpenedFile>)>;
  using ReadDone = std::function<void(Answer<Slice>)>;

  OpenFiles(const FileParts& parts, KnownNodes& nodes, base::Log& log);
  ~OpenFiles();
  OpenFiles(const OpenFiles&) = delete;
  OpenFiles& operator=(const OpenFiles&) = delete;

  // Each success is released once. ESTALE: the file has to be looked up again, since its node is
  // poisoned, or native and the blob is not fit for that any more.
  void open(NodeId id, const NodePtr& file, const OpenDone& done);
  void release(NodeId id);

  // Of a node that somebody wrote to: whether its bytes are not here yet, so that reads of it may
  // wait. Dropping its pages would wait for them; so they end with EIO, the pages are dropped, and
  // nothing but EIO follows.
  bool give_up(NodeId id);

  Answer<std::variant<Slice, Later>> read(NodeId id, std::uint64_t offset, std::size_t size);
  // A read of what is not there yet; see PendingReads. Never short, EINTR when interrupted.
  PendingReads::Number wait_for(Later later, ReadDone done);
  PendingReads& waiting() { return waiting_; }

  // For the process that takes the mount over, while nobody opens, reads or releases anything.
  [[nodiscard]] std::vector<OpenNode> all() const;
  // There, before the first open: `file` is open as it was. What cannot be opened any more answers
  // nothing but EIO.
  void adopt(OpenNode open, const NodePtr& file);
  // To be held by that process, so that nothing here changes or is answered meanwhile.
  [[nodiscard]] Gate& gate() { return *gate_; }

  // No read waits any more, nor will one, and no callback comes any more.
  void close();

  // Whether what the store lacks of it can be had.
  [[nodiscard]] bool can_fill(const Node& file) const;
  [[nodiscard]] BlobStatus filling_status(const Node& file) const;  // of one that can_fill()

  [[nodiscard]] std::size_t size() const;

 private:
  struct Content {
    std::shared_ptr<const OpenFile> stored;
    std::shared_ptr<FillingFile> filling;  // wins
    std::optional<std::int32_t> native;
  };
  // While a node is being opened for the first time the others who open it wait here.
  struct Opened {
    Content content;
    std::uint64_t count = 0;
    std::vector<OpenDone> opening;
  };
  enum class Joined { kFirst, kWaits, kOpen };

  Joined join(NodeId id, const OpenDone& done, OpenedFile& opened);
  void open_first(NodeId id, const NodePtr& file);
  void finish_open(NodeId id, Answer<Content> content);
  void count(const Content* content, std::uint64_t opens);  // null: they failed
  Answer<Content> open_stored(NodeId id, std::shared_ptr<const OpenFile> stored);
  Answer<Content> open_again(OpenNode& open, const Node& file);
  Answer<std::shared_ptr<FillingFile>> open_filling(NodeId id, const FileContent& content,
                                                    std::uint64_t size);
  [[nodiscard]] std::optional<std::int32_t> make_native(const OpenFile& file);
  Answer<std::variant<Slice, Later>> go_on_filling(NodeId id, const OpenFile& rotten,
                                                   std::uint64_t offset, std::size_t size);
  void settled(FillingFile& file, const base::Status& status);
  void poison(FillingFile& file, const base::Error& why);
  [[nodiscard]] std::optional<Content> content_of(NodeId id) const;
  Answer<Slice> end_read(FillingFile& file, const base::ByteRange& range, PendingReads::How how,
                         const base::Status& status);

  const FileParts parts_;
  KnownNodes& nodes_;
  base::Log& log_;
  const std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
  PendingReads waiting_{gate_};
  std::atomic<KnownNodes::Giver> last_giver_{0};
  std::atomic<bool> closed_{false};

  mutable base::Mutex mutex_;
  std::unordered_map<NodeId, Opened> files_ CASTOOL_GUARDED_BY(mutex_);
};

// Says in the log what is wrong with a file or a directory; gives EIO.
Errno log_unreadable(base::Log& log, const Node& node, const base::Error& error);

}  // namespace castool::fusefs
