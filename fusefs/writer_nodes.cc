#include "fusefs/writer_nodes.h"

#include <algorithm>

namespace castool::fusefs {
namespace {

// A task that was killed in between never comes.
constexpr std::chrono::seconds kWishTime{30};

}  // namespace

WriterNodes::WriterNodes()
    : last_(ino_of(
          static_cast<NodeId>(std::chrono::steady_clock::now().time_since_epoch().count()))) {}

void WriterNodes::want(pid_t task, Ino ino) {
  const auto now = std::chrono::steady_clock::now();
  const base::MutexLock lock(mutex_);
  std::erase_if(wishes_, [now](const auto& wish) { return wish.second.until < now; });
  const auto [at, fresh] = wishes_.try_emplace({task, ino}, Wish{0, now + kWishTime});
  if (fresh) at->second.id = writer_node(++last_);
}

NodeId WriterNodes::wanted(pid_t task, Ino ino) const {
  const base::MutexLock lock(mutex_);
  const auto found = wishes_.find({task, ino});
  return found == wishes_.end() ? 0 : found->second.id;
}

bool WriterNodes::take(NodeId id) {
  const base::MutexLock lock(mutex_);
  return std::erase_if(wishes_, [id](const auto& wish) { return wish.second.id == id; }) > 0;
}

void WriterNodes::purge(PageDropper& pages, NodeId id) {
  {
    const base::MutexLock lock(mutex_);
    const auto [at, fresh] = purging_.try_emplace(id, false);
    if (!fresh) {
      at->second = true;
      return;
    }
  }
  drop(pages, id);
}

void WriterNodes::drop(PageDropper& pages, NodeId id) {
  pages.drop_pages(id, [this, &pages, id](const base::Status& dropped) {
    {
      const base::MutexLock lock(mutex_);
      const auto found = purging_.find(id);
      if (!dropped || !found->second) {
        purging_.erase(found);
        return;
      }
      found->second = false;
    }
    drop(pages, id);
  });
}

}  // namespace castool::fusefs
