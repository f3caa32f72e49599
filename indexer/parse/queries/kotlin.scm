(class_declaration name: (identifier) @name (class_body)? @body) @definition.class
(class_declaration name: (identifier) @name (enum_class_body) @body) @definition.enum
(object_declaration name: (identifier) @name (class_body)? @body) @definition.class
(function_declaration name: (identifier) @name (function_body)? @body) @definition.function
(source_file (property_declaration (variable_declaration (identifier) @name)) @definition.variable)
(class_body (property_declaration (variable_declaration (identifier) @name)) @definition.field)
(type_alias type: (identifier) @name) @definition.type
(enum_entry (identifier) @name) @definition.constant

(line_comment) @comment
(block_comment) @comment

(import (qualified_identifier) @module) @import
