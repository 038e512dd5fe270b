// What OVMS makes of a model's directory. Facts: docs/semantics.md "How OVMS reads a model
// directory". Pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "fusefs/tree.h"
#include "manifest/ref_record.h"

namespace castool::fusefs {

enum class OvmsKind {
  kNone,            // files only; OVMS cannot serve it, config.json leaves it out
  kGeneratedGraph,  // graph.pbtxt made from the ref's task and options
  kOwnGraph,        // the repository brings graph.pbtxt or 1/graph.pbtxt
  kVersions,        // a classic model: version directories 1, 2, …
};

// The task that the graph is made for: the record's, text generation for an Ollama model and for a
// Hub repository that looks like an exported LLM (model, tokenizer and detokenizer in OpenVINO IR
// at its top), else empty. A task wins over a graph.pbtxt of the repository, which it replaces.
[[nodiscard]] std::string ovms_task(const manifest::RefRecord& record,
                                    std::span<const FlatFile> files);
[[nodiscard]] OvmsKind ovms_kind(std::string_view task, std::span<const FlatFile> files);

// Whether a Hub manifest with these bytes can be anything but kNone: false is certain, true has to
// be looked at. Spares parsing the manifests of models that OVMS cannot serve.
[[nodiscard]] bool may_be_servable(std::string_view manifest_bytes);

}  // namespace castool::fusefs
