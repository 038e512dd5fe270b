#include "fusefs/session_lookups.h"

#include <cerrno>
#include <string>

#include "fusefs/session.h"

#define FUSE_USE_VERSION 314
#include <fuse3/fuse_lowlevel.h>

namespace castool::fusefs {
namespace {

const SessionContext& context_of(fuse_req_t req) {
  return *static_cast<const SessionContext*>(::fuse_req_userdata(req));
}

void reply_entry(fuse_req_t req, ModelFs& fs, const Answer<Entry>& entry) {
  if (!entry) {
    ::fuse_reply_err(req, entry.error().value);
    return;
  }
  const fuse_entry_param param = entry_param(fs, *entry);
  // -ENOENT: whoever asked has gone, and the kernel never learns of what it was given.
  if (::fuse_reply_entry(req, &param) == -ENOENT && param.ino != 0) fs.forget(param.ino, 1);
}

void on_interrupt(fuse_req_t req, void* number) {
  context_of(req).lookups->interrupt(reinterpret_cast<WaitingLookups::Number>(number));
}

}  // namespace

fuse_entry_param entry_param(const ModelFs& fs, const Entry& entry) {
  fuse_entry_param param{};
  param.entry_timeout = entry.entry_seconds;
  param.attr_timeout = entry.attr_seconds;
  if (!entry.node) return param;
  param.ino = entry.id;
  param.attr = fs.stat_of(*entry.node);
  return param;
}

// The request is told how it can be interrupted before anything can answer it: afterwards it may be
// gone.
void on_lookup(fuse_req* req, std::uint64_t parent, const char* name) noexcept {
  const SessionContext& context = context_of(req);
  ModelFs& fs = *context.fs;
  const auto entry = fs.lookup(parent, name, ::fuse_req_ctx(req)->pid);
  const bool absent = entry && !entry->node && context.lookups != nullptr;
  const auto source = absent ? fs.on_demand(parent, name) : std::nullopt;
  if (!source) return reply_entry(req, fs, entry);
  WaitingLookups& lookups = *context.lookups;
  const auto number = lookups.add(
      parent, name, [req, &fs](const Answer<Entry>& ended) { reply_entry(req, fs, ended); });
  ::fuse_req_interrupt_func(req, on_interrupt, reinterpret_cast<void*>(number));
  lookups.start(number, *source);
}

}  // namespace castool::fusefs
