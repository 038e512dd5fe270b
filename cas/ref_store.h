// Named records of a namespace: ref name -> a few hundred bytes that another room understands.
//
// One file a ref, refs/<namespace>/<name with '/' and '%' percent-encoded>, replaced whole and made
// durable by put(); readers see the old record or the new one. Writers take turns by an OFD lock on
// refs/.lock, so that a record is replaced by one that was made from it. What is in a record is not
// this room's business (manifest/ref_record.h). Safe from any thread and any number of processes.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "cas/store.h"

namespace castool::cas {

struct NamedRecord {
  std::string name;
  std::string bytes;
};

class RefStore {
 public:
  // `ns`: [A-Za-z0-9_][A-Za-z0-9._-]*, kUsage else. Nothing is created before the first put().
  [[nodiscard]] static base::Result<RefStore> open(Store& store, const std::string& ns);

  [[nodiscard]] base::Result<std::optional<std::string>> get(const std::string& name) const;
  // All records in name order.
  [[nodiscard]] base::Result<std::vector<NamedRecord>> list() const { return list(*store_, ns_); }
  [[nodiscard]] static base::Result<std::vector<NamedRecord>> list(const Store& store,
                                                                   const std::string& ns);
  // Write, fsync, rename over, fsync directory. kUsage for a name whose file name exceeds 255
  // bytes.
  [[nodiscard]] base::Status put(const std::string& name, const std::string& bytes,
                                 const std::stop_token& stop = {});
  // put() if the record is still `expected`; false: somebody changed or removed it meanwhile.
  [[nodiscard]] base::Result<bool> replace_if(const std::string& name, const std::string& expected,
                                              const std::string& bytes,
                                              const std::stop_token& stop = {});
  // kNotFound when there is no such ref. Durable.
  [[nodiscard]] base::Status remove(const std::string& name, const std::stop_token& stop = {});
  // remove() if the record is still `expected`; false: somebody changed or removed it meanwhile.
  [[nodiscard]] base::Result<bool> remove_if(const std::string& name, const std::string& expected,
                                             const std::stop_token& stop = {});
  // `to` becomes another name for what `from` names, with the record that `make` gives it;
  // kNotFound when there is no `from`. gc sees one of them at every moment.
  [[nodiscard]] base::Status copy(
      const std::string& from, const std::string& to,
      const std::function<base::Result<std::string>(const std::string& record)>& make,
      const std::stop_token& stop = {});

  [[nodiscard]] const std::string& ns() const { return ns_; }
  // The names of all namespaces of a store, in order.
  [[nodiscard]] static base::Result<std::vector<std::string>> namespaces(const Store& store);

 private:
  RefStore(Store& store, std::string ns) : store_(&store), ns_(std::move(ns)) {}
  [[nodiscard]] base::Status put_locked(const std::string& file, const std::string& bytes);
  [[nodiscard]] base::Status remove_locked(const std::string& name, const std::string& file);

  Store* store_;
  std::string ns_;
};

// Tells when the refs of a namespace may have changed (inotify, with a periodic look as a
// fallback).
class RefWatch {
 public:
  [[nodiscard]] static base::Result<std::unique_ptr<RefWatch>> open(Store& store,
                                                                    const std::string& ns);
  virtual ~RefWatch() = default;
  // Waits for a change, at most `timeout`; true if there may have been one. Bursts are one change.
  [[nodiscard]] virtual bool wait(std::chrono::milliseconds timeout, std::stop_token stop) = 0;
};

}  // namespace castool::cas
