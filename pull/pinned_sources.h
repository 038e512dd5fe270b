// Where a blob of a ref is, from what the ref's record and the stored manifest say: nothing is
// resolved but the address of its bytes, and that not before one is needed.
//
// A Hub is asked for the pinned commit. The Hub's token goes to the endpoint that it was given for
// and to no other one that a record may name.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "cas/partial.h"
#include "fetch/downloader.h"
#include "fetch/http_client.h"
#include "manifest/ref_record.h"
#include "pull/puller.h"
#include "pull/registry_client.h"

namespace castool::pull {

// The model through which a blob is read; members as in manifest::RefRecord.
struct BlobHome {
  std::string name;
  std::string origin;
  std::string revision;
  manifest::ModelKind kind = manifest::ModelKind::kHub;
  base::Digest manifest;
};

// Safe from any thread; outlives the books, as everything given to it does.
class PinnedSources {
 public:
  PinnedSources(const cas::Store& store, const Origins& origins, base::Clock& clock, base::Log& log)
      : store_(store), origins_(origins), clock_(clock), log_(log) {}

  // Errors come from the book: kNotFound when the manifest does not name the blob, and what
  // HubClient and RegistryClient say.
  [[nodiscard]] std::shared_ptr<fetch::AddressBook> addresses(const BlobHome& home,
                                                              const cas::PartialKey& key,
                                                              fetch::HttpClient& http);

 private:
  class Book;
  using BookResult = base::Result<std::shared_ptr<fetch::AddressBook>>;
  [[nodiscard]] BookResult make_book(const BlobHome& home, const cas::PartialKey& key,
                                     fetch::HttpClient& http);
  [[nodiscard]] BookResult hub_book(const BlobHome& home, const cas::PartialKey& key,
                                    fetch::HttpClient& http) const;
  [[nodiscard]] BookResult registry_book(const BlobHome& home, const cas::PartialKey& key,
                                         fetch::HttpClient& http) CASTOOL_EXCLUDES(mutex_);

  const cas::Store& store_;
  const Origins& origins_;
  base::Clock& clock_;
  base::Log& log_;
  base::Mutex mutex_;
  // By origin, since each keeps a registry's token.
  std::map<std::string, std::shared_ptr<RegistryClient>> registries_ CASTOOL_GUARDED_BY(mutex_);
};

}  // namespace castool::pull
