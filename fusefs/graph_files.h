// The graph.pbtxt of models while they are open. OVMS rewrites one whole when it pulls and starts:
// open(O_WRONLY | O_CREAT | O_TRUNC), write, close. That and reading is all there is.
//
// A reader has the text as it was when he opened it. What is written is seen by nobody before the
// writer's close or fsync, and then whole (upper.h). Never through the page cache, so that who
// opens the file after that close sees it.
//
// Safe from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>

#include "base/log.h"
#include "base/mutex.h"
#include "fusefs/answer.h"
#include "fusefs/tree.h"
#include "fusefs/upper.h"

namespace castool::fusefs {

class GraphFiles {
 public:
  using Handle = std::uint64_t;  // never 0
  enum class For { kReading, kWritingAnew };

  GraphFiles(Upper& upper, base::Log& log);

  // What the file is now; nothing: there is none, and writing makes it.
  [[nodiscard]] std::optional<Upper::Cover> now(const Node& graph) const;

  // ENOENT for reading what is not there.
  Answer<Handle> open(const Node& graph, For what);
  // Makes an empty file where there is none, then opens it to be written.
  Answer<Handle> create(const Node& graph);
  void release(Handle handle);

  // At most `size` bytes from `offset` on; EBADF for a writer.
  Answer<std::string> read(Handle handle, std::uint64_t offset, std::size_t size) const;
  // EFBIG beyond Upper::kMaxText, EBADF for a reader.
  Answer<std::size_t> write(Handle handle, std::uint64_t offset, std::span<const char> bytes);
  // Puts what was written in the file's place; ENOSPC or EIO when that fails.
  Answer<bool> flush(Handle handle);

  [[nodiscard]] std::size_t size() const;

 private:
  struct Open {
    RewritableText graph;
    std::shared_ptr<const std::string> text;  // of a reader
    std::string written;                      // of a writer
    bool changed = false;                     // since the last flush
  };
  Answer<bool> put(const RewritableText& graph, std::string text);

  Upper& upper_;
  base::Log& log_;
  mutable base::Mutex mutex_;
  // Begins where no daemon before this one of the same mount can have come to: its handles are not
  // handed over, and give EBADF.
  Handle last_ CASTOOL_GUARDED_BY(mutex_);
  std::unordered_map<Handle, Open> open_ CASTOOL_GUARDED_BY(mutex_);
};

}  // namespace castool::fusefs
