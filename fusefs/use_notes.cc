#include "fusefs/use_notes.h"

#include <chrono>
#include <utility>

#include "manifest/ref_record.h"

namespace castool::fusefs {
namespace {

constexpr auto kBetween = std::chrono::hours(1);

void write_use(cas::RefStore& refs, const std::string& name, std::int64_t now) {
  const auto bytes = refs.get(name);
  if (!bytes || !*bytes) return;
  auto record = manifest::parse_ref_record(**bytes);
  // Another mount noted it, or a pull. A clock that was put back makes nothing older than it is.
  if (!record || record->last_used_at > now - kBetween.count() * 3600) return;
  record->last_used_at = now;
  // Whoever changed it meanwhile knew that it is in use.
  static_cast<void>(refs.replace_if(name, **bytes, manifest::print_ref_record(*record)));
}

}  // namespace

void UseNotes::used(const std::string& name) {
  const auto now = clock_.now();
  const base::MutexLock lock(mutex_);
  const auto [entry, fresh] = noted_.try_emplace(name, now);
  if (!fresh && now - entry->second < kBetween) return;
  entry->second = now;
  waiting_.insert(name);
}

void UseNotes::write_to(cas::RefStore& refs) {
  std::set<std::string> names;
  {
    const base::MutexLock lock(mutex_);
    names.swap(waiting_);
  }
  if (names.empty()) return;
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(clock_.wall_now().time_since_epoch())
          .count();
  for (const std::string& name : names) write_use(refs, name, now);
}

}  // namespace castool::fusefs
