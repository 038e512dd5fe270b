#include "fusefs/graph_files.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

namespace castool::fusefs {

GraphFiles::GraphFiles(Upper& upper, base::Log& log)
    : upper_(upper),
      log_(log),
      last_(static_cast<Handle>(std::chrono::steady_clock::now().time_since_epoch().count())) {}

std::optional<Upper::Cover> GraphFiles::now(const Node& graph) const {
  const auto& text = std::get<RewritableText>(graph.content());
  if (auto cover = upper_.find(text.place, text.digest)) return cover;
  if (text.text == nullptr) return std::nullopt;
  return Upper::Cover{text.text, graph.mtime()};
}

Answer<GraphFiles::Handle> GraphFiles::open(const Node& graph, For what) {
  Open open{std::get<RewritableText>(graph.content()), nullptr, {}, what == For::kWritingAnew};
  if (what == For::kReading) {
    const auto cover = now(graph);
    if (!cover) return Errno{ENOENT};
    open.text = cover->text;
  }
  const base::MutexLock lock(mutex_);
  open_.emplace(++last_, std::move(open));
  return last_;
}

Answer<GraphFiles::Handle> GraphFiles::create(const Node& graph) {
  if (!now(graph)) {
    const auto made = put(std::get<RewritableText>(graph.content()), {});
    if (!made) return made.error();
  }
  return open(graph, For::kWritingAnew);
}

void GraphFiles::release(Handle handle) {
  const base::MutexLock lock(mutex_);
  open_.erase(handle);
}

Answer<std::string> GraphFiles::read(Handle handle, std::uint64_t offset, std::size_t size) const {
  const base::MutexLock lock(mutex_);
  const auto found = open_.find(handle);
  if (found == open_.end() || found->second.text == nullptr) return Errno{EBADF};
  const std::string& text = *found->second.text;
  return offset < text.size() ? text.substr(offset, size) : std::string();
}

Answer<std::size_t> GraphFiles::write(Handle handle, std::uint64_t offset,
                                      std::span<const char> bytes) {
  if (offset > Upper::kMaxText || bytes.size() > Upper::kMaxText - offset) return Errno{EFBIG};
  const base::MutexLock lock(mutex_);
  const auto found = open_.find(handle);
  if (found == open_.end() || found->second.text != nullptr) return Errno{EBADF};
  std::string& written = found->second.written;
  written.resize(std::max<std::size_t>(written.size(), offset + bytes.size()));
  std::copy(bytes.begin(), bytes.end(), written.begin() + static_cast<std::ptrdiff_t>(offset));
  found->second.changed = true;
  return bytes.size();
}

Answer<bool> GraphFiles::flush(Handle handle) {
  Open open;
  {
    const base::MutexLock lock(mutex_);
    const auto found = open_.find(handle);
    if (found == open_.end()) return Errno{EBADF};
    if (found->second.text != nullptr || !found->second.changed) return true;
    open = found->second;
    found->second.changed = false;
  }
  auto done = put(open.graph, std::move(open.written));
  if (done) return done;
  const base::MutexLock lock(mutex_);
  if (const auto found = open_.find(handle); found != open_.end()) found->second.changed = true;
  return done;
}

Answer<bool> GraphFiles::put(const RewritableText& graph, std::string text) {
  const base::Status done = upper_.put(graph.place, graph.digest, std::move(text));
  if (done) return true;
  log_.error("{}/graph.pbtxt cannot be written: {}", graph.place, done.error().text());
  return Errno{done.error().code == base::Code::kNoSpace ? ENOSPC : EIO};
}

std::size_t GraphFiles::size() const {
  const base::MutexLock lock(mutex_);
  return open_.size();
}

}  // namespace castool::fusefs
