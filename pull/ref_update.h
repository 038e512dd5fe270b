// The record that a pull leaves behind, made from the one that was there. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "manifest/ref_record.h"
#include "pull/model_blobs.h"
#include "pull/model_source.h"
#include "pull/puller.h"

namespace castool::pull {

// What OVMS would take the model for, as far as file names tell: "text_generation" for an OpenVINO
// language model with its tokenizer and for every Ollama model, else empty.
[[nodiscard]] std::string infer_task(const RemoteModel& model);

// The options that the ref has after the pull: those of `request`, added to those of an earlier
// pull of the same model unless they are to replace them.
[[nodiscard]] std::map<std::string, std::string> updated_options(
    const std::optional<manifest::RefRecord>& old, const PullRequest& request);

struct PulledModel {
  std::string name;
  base::Digest manifest;
  std::uint64_t bytes = 0;  // of distinct blobs
  Presence presence;
  base::Clock::Wall now;
  std::string task = {};  // as its files say, or empty
  std::map<std::string, std::string> options = {};
  std::vector<manifest::Attachment> attachments = {};
};

// What the ref says from now on. Of `old`, when it is of the same model, options, task, pin and the
// time of the first pull are kept unless the request says otherwise; a name that now means another
// model starts anew.
[[nodiscard]] manifest::RefRecord updated_record(const std::optional<manifest::RefRecord>& old,
                                                 const PullRequest& request,
                                                 const RemoteModel& model,
                                                 const PulledModel& pulled);

// Whether two sources mean one model, whatever the revision of a Hub repository.
[[nodiscard]] bool same_model(const manifest::Source& a, const manifest::Source& b);

}  // namespace castool::pull
